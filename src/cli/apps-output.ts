/** The rows of `nidus paper --apps` as text and as SVG. */
import { APPS, appConfigurationName, exitsPerUnit, PARAMETERS, type App, type AppConfiguration, type AppRow } from '../lab/apps.ts'
import { barChart } from '../lab/bar-chart.ts'
import { formatTable, grouped } from './table.ts'

const configurationsOf = (rows: readonly AppRow[]): AppConfiguration[] => [...new Map(rows.map(({ configuration }) => [appConfigurationName(configuration), configuration])).values()]

const times = (row: AppRow | undefined): string => row === undefined ? '' : `${row.overhead.toFixed(2)}x`
const right = (count: number) => Array.from({ length: count }, () => 'right' as const)

/** For a run of minutes: what a configuration has come to, as soon as it is known. */
export const appLine = (rows: readonly AppRow[]): string => `${appConfigurationName(rows[0]!.configuration)}: ${rows.map(row => `${row.app} ${times(row)} (${grouped(row.cycles)} cycles, ${grouped(row.traps)} traps)`).join(', ')}`

export function appTables(rows: readonly AppRow[], kernel: string, costModel: string): string {
  const apps = APPS.filter(app => rows.some(row => row.app === app)), configurations = configurationsOf(rows)
  const of = (app: App, configuration: AppConfiguration): AppRow | undefined => rows.find(row => row.app === app && appConfigurationName(row.configuration) === appConfigurationName(configuration))
  const details = apps.map(app => formatTable([app, 'time', 'cycles', 'fastest', 'slowest', 'traps to L0'], rows.filter(row => row.app === app).map(({ configuration, cycles, fastest, slowest, traps, overhead }) =>
    [appConfigurationName(configuration), `${overhead.toFixed(2)}x`, grouped(cycles), grouped(fastest), grouped(slowest), grouped(traps)]), ['left', ...right(5)]))
  const exits = apps.map(app => formatTable([`exits per ${PARAMETERS[app].unit} of ${app}`, 'VM', 'registers', 'ERET, HVC', 'GIC', 'devices', 'waiting', 'sum'], configurations.slice(1).flatMap(configuration => {
    const row = of(app, configuration)
    if (row === undefined) return []
    const { vm, registers, switches, gic, devices, waiting } = exitsPerUnit(row), all = [vm, registers, switches, gic, devices, waiting]
    return [[appConfigurationName(configuration), ...[...all, all.reduce((sum, each) => sum + each, 0)].map(each => each.toFixed(app === 'hackbench' ? 2 : 1))]]
  }), ['left', ...right(7)]))
  return [
    `Application loads on ${kernel} at every level: time relative to native (NEVE, SOSP 2017, Figure 2, scaled down).`, '',
    formatTable(['system', ...apps], configurations.map(configuration => [appConfigurationName(configuration), ...apps.map(app => times(of(app, configuration)))]), ['left', ...right(apps.length)]), '',
    details.join('\n\n'), '',
    'Exits to L0: the VM\'s own (L2\'s where there is one), and those of the guest hypervisor: registers with FP and TLB maintenance, changes of world,',
    'frames of the interrupt controller, its own devices, and interrupts and waiting.', '',
    exits.join('\n\n'), '',
    ...apps.map(app => `${app}: ${PARAMETERS[app].here}. The paper: ${PARAMETERS[app].paper}.`),
    `Means of ${[...new Set(rows.map(({ runs }) => runs))].join(' or ')} runs in one boot. 2 CPUs, 4 in a guest hypervisor (the paper: 4 and 6). Time is modelled (cost model ${costModel}), fitted to single-level microbenchmarks alone: caches, TLBs and memory`,
    'are not in it. The bars of Figure 2 are not published as numbers; what is known of them stands beside these in docs/paper.md.',
  ].join('\n')
}

export function appChart(rows: readonly AppRow[], kernel: string, costModel: string): string {
  const apps = APPS.filter(app => rows.some(row => row.app === app))
  return barChart({
    title: 'Application loads: overhead of virtualization', unit: 'time relative to native (modelled)', groups: apps,
    series: configurationsOf(rows).map(configuration => ({
      name: appConfigurationName(configuration), values: apps.map(app => rows.find(row => row.app === app && appConfigurationName(row.configuration) === appConfigurationName(configuration))?.overhead ?? null),
    })),
    notes: [...apps.map(app => `${app}: ${PARAMETERS[app].here}`), `${kernel} at every level, 2 CPUs (a guest hypervisor 4), cost model ${costModel}`],
  })
}

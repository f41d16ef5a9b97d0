/** The rows of `nidus paper --apps` as text and as SVG. */
import { APPS, appConfigurationName, PARAMETERS, type AppConfiguration, type AppRow } from '../lab/apps.ts'
import { barChart } from '../lab/bar-chart.ts'
import { formatTable, grouped } from './table.ts'

const configurationsOf = (rows: readonly AppRow[]): AppConfiguration[] => [...new Map(rows.map(({ configuration }) => [appConfigurationName(configuration), configuration])).values()]

export function appTables(rows: readonly AppRow[], kernel: string, costModel: string): string {
  const tables = APPS.filter(app => rows.some(row => row.app === app)).map(app => formatTable([app, 'time', 'cycles', 'fastest', 'slowest', 'traps to L0'], rows.filter(row => row.app === app).map(({ configuration, cycles, fastest, slowest, traps, overhead }) =>
    [appConfigurationName(configuration), `${overhead.toFixed(2)}x`, grouped(cycles), grouped(fastest), grouped(slowest), grouped(traps)]), ['left', ...Array.from({ length: 5 }, () => 'right' as const)]))
  return [
    `Application loads on ${kernel} at every level: time relative to native (NEVE, SOSP 2017, Figure 2, scaled down).`, '', tables.join('\n\n'), '',
    ...APPS.map(app => `${app}: ${PARAMETERS[app].here}. The paper: ${PARAMETERS[app].paper}.`),
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

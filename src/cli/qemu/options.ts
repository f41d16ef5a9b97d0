/**
 * The table of QEMU's options: every option of qemu-system-aarch64 10 has a row, and the row says what becomes of it. What has no row is not
 * QEMU's and ends with exit code 2. `docs/qemu.md` is checked against this table.
 */
import { BadInput } from '../../arch/bad-input.ts'
import { gdbAddress, GDB_PORT } from '../gdb-server.ts'
import { chardevOption, serialOption } from './characters.ts'
import { blockdevOption, deviceOption, driveOption, fsdevOption, fwCfgOption, netdevOption, nicOption, pflashOption, semihostingOption, simpleDrive, virtfsOption } from './plugged.ts'
import type { Configuration } from './configuration.ts'
import { accepted, isOn, mapped, numberOf, only, pairsOf, refused, sizeOf, valuesOf, type Effect, type Keys } from './keyed.ts'
import { checkAccelerator, cpuOf, MACHINE, MACHINE_KEYS } from './machines.ts'

export interface OptionRow {
  readonly names: readonly string[]
  readonly takesValue: boolean
  readonly effect: Effect
  /** What it becomes; of an ignored or refused option, why. */
  readonly what: string
  readonly apply?: (configuration: Configuration, value: string, warn: (text: string) => void) => void
}

const value = (names: string, what: string, apply: NonNullable<OptionRow['apply']>): OptionRow => ({ names: names.split(' '), takesValue: true, effect: 'mapped', what, apply })
const flag = (names: string, what: string, apply: (configuration: Configuration) => void): OptionRow => ({ names: names.split(' '), takesValue: false, effect: 'mapped', what, apply })
const without = (effect: Effect, takesValue: boolean) => (names: string, what: string): OptionRow => ({ names: names.split(' '), takesValue, effect, what })
const acceptedFlag = without('accepted', false), acceptedValue = without('accepted', true), ignoredFlag = without('ignored', false), ignoredValue = without('ignored', true)
const refusedFlag = without('refused', false), refusedValue = without('refused', true)
/** `none` is what is here; anything else is not. */
const onlyNone = (names: string, why: string, also: readonly string[] = []): OptionRow => value(names, `none; ${why}`, (_c, text, warn) => {
  if (text !== 'none' && !also.includes(text)) warn(`-${names.split(' ')[0]} ${text}: ${why}`)
})

const LARGEST = 2816 * 2 ** 20, SMALLEST = 2 ** 21

export const OPTIONS: readonly OptionRow[] = [
  // ---- machine ----
  value('machine M', 'board virt; gic-version=, virtualization=, dumpdtb= ...', machineOption),
  value('cpu', 'a profile (docs/qemu.md has the names)', (c, text, warn) => { if (isHelp(text)) c.answer = 'cpu'; else c.cpu = cpuOf(text, warn) }),
  value('smp', '1 to 8 CPUs', (c, text, warn) => { c.cpus = cpusOf(text, warn) }),
  value('m', 'memory, at most 2816M', (c, text, warn) => {
    const values = valuesOf('-m', pairsOf('-m', text, 'size'), { size: mapped, slots: accepted, maxmem: accepted }, warn), size = values.get('size')
    if (size === undefined) return
    const bytes = Math.ceil(sizeOf('-m', size, 'M') / SMALLEST) * SMALLEST
    if (bytes === 0) throw new BadInput('-m', `'${text}' is no memory`)
    if (bytes > LARGEST) warn(`-m ${size}: the guest gets 2816M, the most there is`)
    c.memBytes = Math.min(bytes, LARGEST)
  }),
  value('accel', 'tcg', (c, text) => { if (isHelp(text)) c.answer = 'accel'; else checkAccelerator('-accel', pairsOf('-accel', text, 'accel').find(([key]) => key === 'accel')?.[1] ?? '') }),
  refusedFlag('enable-kvm', 'guests are translated here, as with -accel tcg'),
  flag('nodefaults', 'no default devices', c => { c.nodefaults = true }),
  acceptedFlag('no-user-config', 'there is no configuration file'), value('global', 'virtio-mmio.force-legacy=', globalOption),
  ignoredValue('set', 'properties are set where the device is'),
  ignoredValue('numa', 'one node'), ignoredValue('smbios', 'there are no SMBIOS tables'), ignoredValue('acpitable', 'there are no ACPI tables'), ignoredValue('boot', 'firmware chooses by itself'), ignoredValue('icount', 'time is always counted in instructions'),
  ignoredValue('rtc', 'the clock starts at 2026-01-01 00:00:00 UTC in every run'), ignoredValue('overcommit', 'memory is taken when it is touched'), acceptedValue('name', 'no effect'), acceptedValue('uuid', 'no effect'), acceptedValue('mem-path', 'no effect'),
  acceptedFlag('mem-prealloc', 'no effect'), acceptedValue('compat', 'no effect'), acceptedValue('msg', 'no effect'), value('seed', 'seed of virtio-rng', (c, text) => { c.seed = numberOf('-seed', 'seed', text, Number.MAX_SAFE_INTEGER) }),
  acceptedValue('object', 'objects are named by devices; none changes what a guest sees'), acceptedValue('run-with', 'no effect'), ignoredValue('watchdog-action', 'there is no watchdog'), acceptedValue('sandbox', 'guests reach nothing of the host but what is given'),
  // ---- what is started ----
  value('kernel', 'ELF, Image, gzip, zstd, EFI zboot or raw code', (c, text) => { c.kernel = text }), value('initrd', 'initial RAM disk', (c, text) => { c.initrd = text }),
  value('append', 'command line', (c, text) => { c.append = text }), value('dtb', 'device tree', (c, text) => { c.dtb = text }), value('bios', 'firmware at address 0', (c, text) => { c.bios = text }),
  value('L', 'folder for -bios', (c, text) => { c.biosFolders.push(text) }), value('pflash', 'a bank of flash', pflashOption), value('fw_cfg', 'a file of fw_cfg', fwCfgOption), refusedValue('shim', 'start the shim as firmware does'), ignoredValue('option-rom', 'there are no option ROMs'),
  // ---- devices ----
  value('device', 'virtio devices, loader, guest-loader', (c, text, warn) => { if (isHelp(text)) c.answer = 'device'; else deviceOption(c, text, warn) }),
  value('drive', 'a disk or a bank of flash', driveOption), value('blockdev', 'raw files', blockdevOption), value('hda', 'the first disk', (c, text) => simpleDrive(c, '-hda', text, 0)), value('hdb', 'the second disk', (c, text) => simpleDrive(c, '-hdb', text, 1)),
  value('hdc', 'the third disk', (c, text) => simpleDrive(c, '-hdc', text, 2)), value('hdd', 'the fourth disk', (c, text) => simpleDrive(c, '-hdd', text, 3)), flag('snapshot', 'changes of disks stay in memory', c => { c.snapshot = true }),
  refusedValue('cdrom', 'there is no CD-ROM; use -drive file=F,if=virtio,readonly=on'), refusedValue('fda fdb', 'there is no floppy disk'), refusedValue('sd mtdblock', 'there is no such drive'),
  value('netdev', 'user', netdevOption), value('nic', 'user', nicOption), value('net', 'none or user', nicOption), value('fsdev', 'a shared folder', fsdevOption), value('virtfs', 'a shared folder by virtio-9p', virtfsOption),
  ignoredFlag('usb', 'there is no USB'), refusedValue('usbdevice', 'there is no USB'), ignoredValue('audio audiodev', 'there is no sound'), refusedValue('tpmdev', 'there is no TPM'), refusedValue('iscsi', 'disks are files'),
  // ---- characters, display ----
  value('chardev', 'stdio, null, file, testdev', (c, text, warn) => { if (isHelp(text)) c.answer = 'chardev'; else chardevOption(c, text, warn) }), value('serial', 'stdio, mon:stdio, null, none, file:, chardev:', serialOption),
  flag('nographic', 'the serial port on this terminal, Ctrl-A is the escape character', c => { c.nographic = true }), value('display', 'none', (c, text, warn) => {
    c.display = text
    if (text !== 'none' && !text.startsWith('none,')) warn(`-display ${text}: there is no display`)
  }),
  onlyNone('vga', 'there is no display', ['std']), onlyNone('monitor', 'there is no monitor', ['null', '/dev/null']), onlyNone('qmp qmp-pretty', 'there is no monitor'), onlyNone('parallel', 'there is no parallel port', ['null']),
  ignoredValue('mon', 'there is no monitor'), ignoredValue('debugcon', 'there is no debug console'), ignoredValue('k', 'there is no keyboard'), ignoredFlag('full-screen', 'there is no display'), ignoredValue('vnc spice', 'there is no display'), refusedValue('echr', 'the escape character is Ctrl-A'),
  // ---- running ----
  flag('no-reboot', 'a reset ends the run', c => { c.reboot = false }), ignoredFlag('no-shutdown', 'when the guest is off the run ends'), value('action', 'reboot=shutdown', actionOption),
  flag('semihosting', 'calls by HLT #0xF000', c => { c.semihosting.enabled = true }), value('semihosting-config', 'calls by HLT #0xF000', semihostingOption),
  flag('s', 'GDB on port 1234', c => { c.gdb = gdbAddress(String(GDB_PORT)) }), value('gdb', 'GDB on this port or socket', (c, text) => { c.gdb = text === 'none' ? undefined : gdbAddress(text) }), flag('S', 'nothing runs before GDB says so', c => { c.wait = true }),
  value('pidfile', 'a file with the number of the process', (c, text) => { c.pidfile = text }), ignoredValue('d', 'nothing is logged; see nidus trace'), ignoredValue('D', 'nothing is logged; see nidus trace'), ignoredValue('dfilter', 'nothing is logged; see nidus trace'),
  ignoredValue('trace', 'see nidus trace'), refusedValue('plugin', 'there are no TCG plugins; see nidus trace and nidus stat'), ignoredFlag('perfmap jitdump', 'code is WebAssembly'), ignoredFlag('enable-sync-profile', 'one thread'),
  refusedFlag('daemonize', 'start it in the background'), refusedValue('incoming loadvm', 'snapshots are nidus snapshot\'s'), refusedFlag('only-migratable', 'snapshots are nidus snapshot\'s'), refusedValue('dump-vmstate', 'there is no migration'), refusedValue('readconfig', 'give the options on the command line'),
  refusedFlag('preconfig', 'there is no monitor'), refusedValue('add-fd', 'name the files'), refusedFlag('xen-attach xen-domid-restrict', 'guests of Xen are not for this machine'), refusedValue('xen-domid', 'guests of Xen are not for this machine'), ignoredFlag('old-param', 'an AArch32 boot protocol'),
  flag('version', 'prints it', c => { c.answer = 'version' }), flag('h help', 'prints this table', c => { c.answer = 'help' }),
]

export const MOST_CPUS = 8
const isHelp = (text: string): boolean => text === 'help' || text === '?' || text.endsWith(',help')

function machineOption(c: Configuration, text: string, warn: (text: string) => void): void {
  if (isHelp(text)) {
    c.answer = 'machine'
    return
  }
  const values = valuesOf('-machine', pairsOf('-machine', text, 'type'), MACHINE_KEYS, warn)
  const type = values.get('type')
  if (type !== undefined && !MACHINE.test(type)) throw new BadInput('-machine', `'${type}' is not a machine of Nidus: only virt is`)
  if (type !== undefined) c.machine = type
  const gic = values.get('gic-version')
  if (gic === '2' || gic === '3') c.gic = gic === '2' ? 2 : 3
  else if (gic === 'max') c.gic = 3
  else if (gic !== undefined) throw new BadInput('-machine', `gic-version=${gic}: there are 2, 3 and max`)
  const el2 = values.get('virtualization'), accelerator = values.get('accel')
  if (el2 !== undefined) c.el2 = isOn('-machine', 'virtualization', el2)
  if (accelerator !== undefined) checkAccelerator('-machine', accelerator)
  c.dumpdtb = values.get('dumpdtb') ?? c.dumpdtb
  c.kernel = values.get('kernel') ?? c.kernel
  c.initrd = values.get('initrd') ?? c.initrd
  c.append = values.get('append') ?? c.append
  c.dtb = values.get('dtb') ?? c.dtb
  c.bios = values.get('firmware') ?? c.bios
}

function globalOption(c: Configuration, text: string, warn: (text: string) => void): void {
  const match = /^virtio-mmio\.force-legacy=(.*)$/.exec(text)
  if (match === null) warn(`-global ${text}: default properties are those of the devices`)
  else c.legacyVirtio = isOn('-global', 'virtio-mmio.force-legacy', match[1]!)
}

const SMP_KEYS: Keys = { cpus: mapped, sockets: mapped, clusters: mapped, cores: mapped, threads: mapped, maxcpus: accepted, dies: only(['1'], 'Arm has no dies'), books: refused('Arm has no books'), drawers: refused('Arm has no drawers'), modules: only(['1'], 'Arm has no modules') }

function cpusOf(text: string, warn: (text: string) => void): number {
  const values = valuesOf('-smp', pairsOf('-smp', text, 'cpus'), SMP_KEYS, warn), count = (key: string): number | undefined => values.has(key) ? numberOf('-smp', key, values.get(key)!, 4096) : undefined
  const cpus = count('cpus') ?? ['sockets', 'clusters', 'cores', 'threads'].reduce((product, key) => product * (count(key) ?? 1), 1)
  if (cpus < 1 || cpus > MOST_CPUS) throw new BadInput('-smp', `${cpus} CPUs: the machine has 1 to ${MOST_CPUS}`)
  return cpus
}

const ACTION_KEYS: Keys = { reboot: only(['reset', 'shutdown'], 'reset or shutdown'), shutdown: only(['poweroff'], 'when the guest is off the run ends'), panic: accepted, watchdog: accepted }

function actionOption(c: Configuration, text: string, warn: (text: string) => void): void {
  const reboot = valuesOf('-action', pairsOf('-action', text, undefined), ACTION_KEYS, warn).get('reboot')
  if (reboot !== undefined) c.reboot = reboot === 'reset'
}

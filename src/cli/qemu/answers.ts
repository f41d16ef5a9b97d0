/** What options print that only ask: -version, -machine help and their like, in forms that scripts look for. */
import { BACKEND_NAMES } from './characters.ts'
import { DRIVERS } from './devices.ts'
import { CPUS } from './machines.ts'
import { OPTIONS } from './options.ts'

export function answerTo(question: string, version: string): string {
  switch (question) {
    case 'version': return `QEMU emulator version 10.0.2 (command line of; this is Nidus ${version})\n`
    case 'machine': return 'Supported machines are:\nvirt-10.0            ARM Virtual Machine\nvirt                 ARM Virtual Machine (alias of virt-10.0)\n'
    case 'cpu': return `Available CPUs:\n${Object.keys(CPUS).map(name => `  ${name}\n`).join('')}`
    case 'accel': return 'Accelerators supported in QEMU binary:\ntcg\n'
    case 'device': return [...DRIVERS].map(([name, { transport }]) => `name "${name}", bus ${name.startsWith('virtio') ? transport === 'pci' ? 'PCI' : 'virtio-bus' : name.startsWith('virt') ? 'virtio-serial-bus' : 'none'}\n`).join('')
    case 'chardev': return `Available chardev backend types:\n${BACKEND_NAMES.map(name => `  ${name}\n`).join('')}`
    default: return `nidus qemu -- OPTIONS: QEMU's options for -M virt\n\n${OPTIONS.map(({ names, takesValue, effect, what }) => `${`-${names.join(', -')}${takesValue ? ' ...' : ''}`.padEnd(28)} ${effect === 'mapped' ? what : `${effect}: ${what}`}\n`).join('')}`
  }
}

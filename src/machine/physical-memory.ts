/** RAM as `hypervisor/host.ts` sees it: checked against the size of RAM, each word charged where a charge is given. */
import type { Ram } from '../engine/ram.ts'
import type { PhysicalMemory } from '../hypervisor/host.ts'

/** `charge` gets the number of 64-bit words of an access. Without it nothing is counted: loaders, the VMM, the debugger. `bytes`: the guest's part of it. */
export function physicalMemory(ram: Ram, charge: ((words: number) => void) | undefined = undefined, bytes = ram.size): PhysicalMemory {
  const isRam = (pa: number, size: number): boolean => Number.isSafeInteger(pa) && size >= 0 && ram.contains(pa, size) && pa + size <= ram.pa + bytes
  const allowed = (pa: number, size: number, alignment: number): boolean => {
    if (pa % alignment !== 0 || !isRam(pa, size)) return false
    charge?.(Math.ceil(size / 8))
    return true
  }
  return {
    isRam,
    read64: pa => allowed(pa, 8, 8) ? ram.read64(pa) : undefined,
    write64: (pa, value) => {
      if (!allowed(pa, 8, 8)) return false
      ram.write64(pa, BigInt.asUintN(64, value))
      return true
    },
    read32: pa => allowed(pa, 4, 4) ? ram.read32(pa) : undefined,
    write32: (pa, value) => {
      if (!allowed(pa, 4, 4)) return false
      ram.write32(pa, value)
      return true
    },
    readBytes: (pa, into) => {
      if (!allowed(pa, into.length, 1)) return false
      into.set(ram.bytes(pa, into.length))
      return true
    },
    writeBytes: (pa, from) => {
      if (!allowed(pa, from.length, 1)) return false
      ram.copyIn(pa, from)
      return true
    },
    fill: (pa, size, value) => {
      if (!allowed(pa, size, 1)) return false
      ram.fill(pa, size, value)
      return true
    },
  }
}

/** L0's own tables and pages, reached through the Host of the PE that works, which charges every access (design D6). */
import type { Host, PhysicalMemory } from './host.ts'

export function chargedMemory(before: PhysicalMemory, working: () => Host | undefined): PhysicalMemory {
  const memory = (): PhysicalMemory => working()?.memory ?? before
  return {
    read64: pa => memory().read64(pa),
    write64: (pa, value) => memory().write64(pa, value),
    read32: pa => memory().read32(pa),
    write32: (pa, value) => memory().write32(pa, value),
    readBytes: (pa, into) => memory().readBytes(pa, into),
    writeBytes: (pa, from) => memory().writeBytes(pa, from),
    fill: (pa, size, value) => memory().fill(pa, size, value),
    isRam: (pa, size) => before.isRam(pa, size),
  }
}

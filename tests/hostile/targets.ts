/** The fuzz targets, for `npm run suite -- fuzz`. */
export interface Target {
  readonly name: string
  readonly what: string
  /** Of all cases. */
  readonly share: number
  /** Cases that one unit of NIDUS_FUZZ is. */
  readonly perCase: number
  /** Fewer do not reach what the target itself demands to be reached. */
  readonly least?: number
  readonly run: (count: number, seed: number) => readonly string[]
}

const vitest = (...files: readonly string[]) => (): readonly string[] => ['node_modules/vitest/vitest.mjs', 'run', ...files]
const script = (name: string) => (count: number, seed: number): readonly string[] => [`scripts/${name}.ts`, '--count', String(count), '--seed', String(seed)]

export const TARGETS: readonly Target[] = [
  { name: 'loaders', what: 'ELF, Image, device tree, EFI zboot, gzip, cpio, ar; PSCI and SMCCC calls', share: 20, perCase: 5, run: vitest('src/arch/image/image.test.ts', 'src/arch/fdt.test.ts', 'tests/hostile/parsers.test.ts') },
  { name: 'snapshots', what: 'snapshot files damaged and forged', share: 6, perCase: 2, run: vitest('tests/snapshot/file.test.ts') },
  { name: 'packets', what: "GDB's protocol: bytes, packets, commands", share: 3, perCase: 3, run: vitest('tests/debug/packets.test.ts') },
  { name: 'devices', what: 'virtio rings, network frames, 9p messages, PCI configuration', share: 20, perCase: 3.25, run: vitest('tests/devices/hostile-rings.test.ts', 'tests/devices/hostile-network.test.ts', 'tests/devices/hostile-share.test.ts', 'src/devices/pci/pci.test.ts') },
  { name: 'gic', what: 'GIC registers, against models of distributor and CPU interfaces', share: 6, perCase: 9, run: vitest('src/devices/gic', 'src/devices/hostile-access.test.ts') },
  { name: 'walker', what: 'random page tables against a brute-force walker', share: 40, perCase: 1, least: 40_000, run: vitest('src/mmu/walk-random.test.ts') },
  { name: 'hypervisors', what: 'hostile L1 and L2 programs', share: 0.5, perCase: 1, run: script('hostile') },
  { name: 'virtual', what: 'programs at EL2 and at virtual EL2', share: 0.5, perCase: 17, run: vitest('tests/lockstep/virtual.test.ts') },
]

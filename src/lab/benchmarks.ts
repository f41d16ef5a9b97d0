/** The four microbenchmarks of the paper, as `guests/bench` marks them: marker value = number << 8 | phase. */
export const BENCHMARKS = ['hypercall', 'deviceIo', 'virtualIpi', 'virtualEoi'] as const
export type Benchmark = (typeof BENCHMARKS)[number]

export const PHASE = { begin: 1, end: 2, seriesBegin: 3, seriesEnd: 4 } as const

/** undefined: a marker of something else. */
export function parseMarker(value: number): { readonly benchmark: Benchmark, readonly phase: number } | undefined {
  const benchmark = BENCHMARKS[(value >>> 8) - 1]
  return benchmark === undefined ? undefined : { benchmark, phase: value & 0xff }
}

import type { Stage1, Stage2 } from './regime.ts'
import type { DescriptorMemory, Translation } from './translation.ts'

/**
 * Translates the VA with halves `vaHi`, `vaLo` for `access` (ACCESS bits). True: `out` holds the translation. False: it holds the fault.
 * `stage2` is given for the EL1&0 regime only, when stage 2 is on.
 */
export declare function translate(stage1: Stage1, stage2: Stage2 | undefined, vaHi: number, vaLo: number, access: number, memory: DescriptorMemory, out: Translation): boolean

/** Stage 2 alone: `ipa` to PA. `out.perms` holds UR/UW/UX mirrored to PR/PW/PX; `access` 0 checks no permission (L0 looking). */
export declare function walkStage2(stage2: Stage2, ipa: number, access: number, memory: DescriptorMemory, out: Translation): boolean

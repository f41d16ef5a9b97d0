/** The named cost models (design D8). */
import type { CostModel } from '../arch/cost.ts'
import neve2017Data from './data/neve-2017.json' with { type: 'json' }

/** Written by `npm run fit` from lab/data/single-level.ts alone. */
export const neve2017: CostModel = neve2017Data

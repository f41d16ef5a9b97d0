/**
 * Interpreters that were generated when this code was built, by their options (modules.ts). From sources there are none; scripts/bundle.js
 * puts what scripts/prebuilt.ts prints in this module's place.
 */
export const PREBUILT: Readonly<Record<string, string>> = {}

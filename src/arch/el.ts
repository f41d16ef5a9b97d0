/** Exception level 0 to 2; the machine has no EL3 (design D10). */
export type EL = 0 | 1 | 2

export type Direction = 'read' | 'write'

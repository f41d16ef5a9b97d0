/** Preferred aliases of the disassembler (Arm ARM C6.2, "is preferred when"), by row name; the first that applies is taken. */
export interface Alias { readonly when: (f: Readonly<Record<string, number>>) => boolean, readonly assembly: string }

export const ALIASES: Readonly<Record<string, readonly Alias[]>> = {}

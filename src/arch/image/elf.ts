/** ELF64 executables for AArch64: what a loader needs, and symbols on demand. */
export interface ElfSegment { readonly physicalAddress: number, readonly virtualAddress: bigint, readonly fileOffset: number, readonly fileSize: number, readonly memorySize: number, readonly executable: boolean, readonly writable: boolean }
export interface ElfSymbol { readonly name: string, readonly address: bigint, readonly size: number }
export interface Elf {
  readonly entry: bigint
  readonly segments: readonly ElfSegment[]
  /** Sorted by address; read at the first use. */
  symbols(): readonly ElfSymbol[]
  /** `name+0x12`, or undefined if no symbol covers the address. */
  symbolize(address: bigint): string | undefined
  symbol(name: string): ElfSymbol | undefined
}
export declare function isElf(bytes: Uint8Array): boolean
/** Throws BadInput. */
export declare function parseElf(bytes: Uint8Array): Elf

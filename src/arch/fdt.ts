/** Flattened device tree, format version 17 (Devicetree Specification 0.4, chapter 5): reader and writer. */

/** A node. Property values are raw bytes; `cells`, `strings` and friends make them. */
export interface FdtNode {
  readonly name: string
  readonly properties: ReadonlyMap<string, Uint8Array>
  readonly children: readonly FdtNode[]
}
export interface FdtTree {
  readonly root: FdtNode
  readonly reservations: readonly { readonly address: bigint, readonly size: bigint }[]
  readonly bootCpu: number
}
/** Reads a blob. Throws BadInput. */
export declare function readFdt(blob: Uint8Array): FdtTree
export declare function writeFdt(tree: FdtTree): Uint8Array

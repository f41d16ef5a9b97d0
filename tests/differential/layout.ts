/**
 * Where the cases of a batch stand in memory. Each has a slot of 64 bytes: two instructions that load the last two registers, up to
 * four words of the case, a landing pad after them, and a second landing pad for branches, which any case of the batch may use.
 */
export const CODE_ADDRESS = 0x1001_0000n
export const SLOT_BYTES = 64
const ENTRY_OFFSET = 8
export const PAD_WORDS = 5
export const BRANCH_PAD_OFFSET = SLOT_BYTES - 4 * PAD_WORDS
export const MAXIMUM_WORDS = (BRANCH_PAD_OFFSET - ENTRY_OFFSET) / 4 - PAD_WORDS
/** Slots with branch pads that exist even in a small batch: branch distances of up to 64 KiB. */
export const MINIMUM_SLOTS = 1024
/** A batch must stay in the reach of a literal load from the window: 1 MiB. */
export const MAXIMUM_CASES = 12_000

export const slotAddress = (index: number): bigint => CODE_ADDRESS + BigInt(index * SLOT_BYTES)
export const entryAddress = (index: number): bigint => slotAddress(index) + BigInt(ENTRY_OFFSET)
export const branchPadAddress = (index: number): bigint => slotAddress(index) + BigInt(BRANCH_PAD_OFFSET)

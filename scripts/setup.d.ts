/** The repository's folder, and the pinned Node's program in it. */
export const root: string
export const node: string
export function setUp(): void
export function install(folder: string): void
export function runNode(args: readonly string[]): number

export function bundle(options?: { readonly folder?: string, readonly entries?: Readonly<Record<string, string>> }): Promise<void>
export function declarations(folder?: string): void

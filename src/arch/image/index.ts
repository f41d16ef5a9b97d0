export * from './arm64-image.ts'
export * from './compressed.ts'
export * from './elf.ts'
export * from './load.ts'

/** The 64-byte header of an arm64 `Image` (Linux Documentation/arch/arm64/booting). */
export interface Arm64Image { readonly textOffset: number, readonly imageSize: number, readonly flags: number, /** 0 unspecified, 1 4K, 2 16K, 3 64K */ readonly pageSize: 0 | 1 | 2 | 3, /** bit 3 of flags: anywhere in memory */ readonly anywhere: boolean }
export declare function isArm64Image(bytes: Uint8Array): boolean
export declare function parseArm64Image(bytes: Uint8Array): Arm64Image

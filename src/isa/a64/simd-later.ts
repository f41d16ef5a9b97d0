/**
 * The classes of the encoding index "Data Processing -- Scalar Floating-Point and Advanced SIMD" that have no semantics yet. They decode,
 * so that a guest that uses them stops by name; rows with semantics are more specific and win.
 */
import { type Row, unimplemented } from '../instruction.ts'

export const simdLater: readonly Row[] = [
  unimplemented('Cryptographic AES', 'AES', '01001110 size:2 10100 opcode:5 10 Vn:5 Vd:5', { feature: 'FEAT_AES' }),
  unimplemented('Cryptographic three-register SHA', 'SHA', '01011110 size:2 0 Vm:5 0 opcode:3 00 Vn:5 Vd:5', { feature: 'FEAT_SHA256' }),
  unimplemented('Cryptographic two-register SHA', 'SHA', '01011110 size:2 10100 opcode:5 10 Vn:5 Vd:5', { feature: 'FEAT_SHA256' }),
  unimplemented('Advanced SIMD scalar three same', 'SIMD scalar three same', '01 U:1 11110 size:2 1 Vm:5 opcode:5 1 Vn:5 Vd:5'),
  unimplemented('Advanced SIMD scalar three same extra', 'SIMD scalar three same extra', '01 U:1 11110 size:2 0 Vm:5 1 opcode:4 1 Vn:5 Vd:5', { feature: 'FEAT_RDM' }),
  unimplemented('Advanced SIMD scalar two-register miscellaneous', 'SIMD scalar two-register misc', '01 U:1 11110 size:2 10000 opcode:5 10 Vn:5 Vd:5'),
  unimplemented('Advanced SIMD scalar pairwise', 'SIMD scalar pairwise', '01 U:1 11110 size:2 11000 opcode:5 10 Vn:5 Vd:5'),
  unimplemented('Advanced SIMD scalar shift by immediate', 'SIMD scalar shift by immediate', '01 U:1 111110 immh:4 immb:3 opcode:5 1 Vn:5 Vd:5'),
  unimplemented('Advanced SIMD scalar x indexed element', 'SIMD scalar x indexed element', '01 U:1 11111 size:2 L:1 M:1 Vm:4 opcode:4 H:1 0 Vn:5 Vd:5'),
  unimplemented('Advanced SIMD three same', 'SIMD three same', '0 Q:1 U:1 01110 size:2 1 Vm:5 opcode:5 1 Vn:5 Vd:5'),
  unimplemented('Advanced SIMD three same extra', 'SIMD three same extra', '0 Q:1 U:1 01110 size:2 0 Vm:5 1 opcode:4 1 Vn:5 Vd:5', { feature: 'FEAT_RDM' }),
  unimplemented('Advanced SIMD two-register miscellaneous', 'SIMD two-register misc', '0 Q:1 U:1 01110 size:2 10000 opcode:5 10 Vn:5 Vd:5'),
  unimplemented('Advanced SIMD across lanes', 'SIMD across lanes', '0 Q:1 U:1 01110 size:2 11000 opcode:5 10 Vn:5 Vd:5'),
  unimplemented('Advanced SIMD shift by immediate', 'SIMD shift by immediate', '0 Q:1 U:1 011110 immh:4 immb:3 opcode:5 1 Vn:5 Vd:5'),
  unimplemented('Advanced SIMD vector x indexed element', 'SIMD vector x indexed element', '0 Q:1 U:1 01111 size:2 L:1 M:1 Vm:4 opcode:4 H:1 0 Vn:5 Vd:5'),
  unimplemented('Conversion between floating-point and fixed-point', 'FP conversion (fixed-point)', 'sf:1 00 11110 ftype:2 0 rmode:2 opcode:3 scale:6 Rn:5 Rd:5'),
  unimplemented('Conversion between floating-point and integer', 'FP conversion (integer)', 'sf:1 00 11110 ftype:2 1 rmode:2 opcode:3 000000 Rn:5 Rd:5'),
  unimplemented('Floating-point data-processing (1 source)', 'FP 1 source', '000 11110 ftype:2 1 opcode:6 10000 Vn:5 Vd:5'),
  unimplemented('Floating-point compare', 'FCMP', '000 11110 ftype:2 1 Vm:5 op:2 1000 Vn:5 opcode2:5'),
  unimplemented('Floating-point conditional compare', 'FCCMP', '000 11110 ftype:2 1 Vm:5 cond:4 01 Vn:5 op:1 nzcv:4'),
  unimplemented('Floating-point data-processing (2 source)', 'FP 2 source', '000 11110 ftype:2 1 Vm:5 opcode:4 10 Vn:5 Vd:5'),
  unimplemented('Floating-point conditional select', 'FCSEL', '000 11110 ftype:2 1 Vm:5 cond:4 11 Vn:5 Vd:5'),
  unimplemented('Floating-point data-processing (3 source)', 'FP 3 source', '000 11111 ftype:2 o1:1 Vm:5 o0:1 Va:5 Vn:5 Vd:5'),
]

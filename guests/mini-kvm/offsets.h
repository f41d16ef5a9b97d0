/* Structure offsets for the assembler; kvm.h checks them. */
#ifndef OFFSETS_H
#define OFFSETS_H
#define CONTEXT_FP (38 * 8)
#define CONTEXT_FPSR (CONTEXT_FP + 512)
#define VCPU_HOST (CONTEXT_FPSR + 8 + 23 * 8)
#endif

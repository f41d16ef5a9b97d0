/* System registers of the VM that trap. Mirrors sys_regs.c of 4.10. */
#include "accessors.h"
#include "gic.h"
#include "host.h"
#include "hyp.h"
#include "print.h"

/* op0:op1:CRn:CRm:op2, 2:3:4:4:3 bits: the encoding of MRS and MSR. */
#define KEY(op0, op1, crn, crm, op2) ((op0) << 14 | (op1) << 11 | (crn) << 7 | (crm) << 3 | (op2))

static u32 key_of(u64 esr)
{
    return KEY((u32)(esr >> 20 & 3), (u32)(esr >> 14 & 7), (u32)(esr >> 10 & 15), (u32)(esr >> 1 & 15), (u32)(esr >> 17 & 7));
}

/* HCR_EL2.TVM: translation control, trapped until the VM turns its MMU and caches on. */
static int tvm_register(u32 key)
{
    switch (key) {
    case KEY(3, 0, 1, 0, 0): return SCTLR;
    case KEY(3, 0, 2, 0, 0): return TTBR0;
    case KEY(3, 0, 2, 0, 1): return TTBR1;
    case KEY(3, 0, 2, 0, 2): return TCR;
    case KEY(3, 0, 5, 1, 0): return AFSR0;
    case KEY(3, 0, 5, 1, 1): return AFSR1;
    case KEY(3, 0, 5, 2, 0): return ESR;
    case KEY(3, 0, 6, 0, 0): return FAR;
    case KEY(3, 0, 10, 2, 0): return MAIR;
    case KEY(3, 0, 10, 3, 0): return AMAIR;
    case KEY(3, 0, 13, 0, 1): return CONTEXTIDR;
    default: return -1;
    }
}

static bool caches_on(const struct vcpu *vcpu)
{
    return (vcpu->ctxt.sys[SCTLR] & 5) == 5; /* C and M */
}

static void write_tvm(struct vcpu *vcpu, int reg, u64 value)
{
    bool before = caches_on(vcpu);

    vcpu->ctxt.sys[reg] = value;
    if (caches_on(vcpu) != before)
        stage2_flush(vcpu->kvm);
    if (caches_on(vcpu))
        vcpu->hcr_el2 &= ~HCR_TVM;
}

int handle_sysreg(struct vcpu *vcpu)
{
    u64 esr = vcpu->esr_el2, *rt, zero = 0;
    bool read = esr & 1;
    u32 key = key_of(esr), n = esr >> 5 & 31;
    int tvm = tvm_register(key);

    rt = n == 31 ? &zero : &vcpu->ctxt.x[n];
    vcpu_skip(vcpu);
    if (tvm >= 0) {
        if (read)
            *rt = vcpu->ctxt.sys[tvm];
        else
            write_tvm(vcpu, tvm, *rt);
        return 1;
    }
    switch (key) {
    case KEY(3, 0, 12, 11, 5): /* ICC_SGI1R_EL1 */
        if (read || gic.version != 3)
            break;
        vgic_v3_sgi1r(vcpu, *rt);
        return 1;
    case KEY(3, 0, 12, 12, 5): /* ICC_SRE_EL1 */
        if (read)
            *rt = vcpu->vgic.v3.sre;
        return 1;
    case KEY(3, 0, 1, 0, 1): /* ACTLR_EL1 */
        if (read)
            *rt = vcpu->ctxt.sys[ACTLR];
        return 1;
    case KEY(2, 0, 0, 2, 2): /* MDSCR_EL1: MDCR_EL2.TDA */
        if (read) {
            *rt = vcpu->ctxt.sys[MDSCR];
        } else {
            vcpu->ctxt.sys[MDSCR] = *rt;
            vcpu->debug_flags |= DEBUG_DIRTY;
        }
        return 1;
    case KEY(2, 0, 1, 1, 4): /* OSLSR_EL1 */
        if (read)
            *rt = 8;
        return 1;
    case KEY(1, 0, 7, 6, 2):  /* DC ISW */
    case KEY(1, 0, 7, 10, 2): /* DC CSW */
    case KEY(1, 0, 7, 14, 2): /* DC CISW */
        if (!(vcpu->hcr_el2 & HCR_TVM)) {
            stage2_flush(vcpu->kvm);
            vcpu->hcr_el2 |= HCR_TVM;
        }
        return 1;
    default:
        break;
    }
    /* OS lock, double lock, breakpoints and watchpoints; PMU: read as zero, writes ignored. */
    if (key >> 14 == 2 || (key & KEY(3, 7, 15, 15, 0)) == KEY(3, 0, 9, 14, 0) ||
        (key & KEY(3, 7, 15, 0, 0)) == KEY(3, 3, 9, 0, 0) || (key & KEY(3, 7, 15, 8, 0)) == KEY(3, 3, 14, 8, 0)) {
        if (read)
            *rt = 0;
        return 1;
    }
    print("mini-kvm: vcpu %u: unsupported %s of system register %u,%u,c%u,c%u,%u, PC 0x%lx\n", vcpu->id,
          read ? "read" : "write", key >> 14, key >> 11 & 7, key >> 7 & 15, key >> 3 & 15, key & 7, vcpu->ctxt.pc - 4);
    vcpu->ctxt.pc -= 4;
    vcpu_undefined(vcpu);
    return 1;
}

/* PSCI (Arm DEN 0022) through the conduit of the device tree. */
#include "psci.h"
#include "string.h"

static bool by_smc;

#define SMCCC(name, instruction)                                                          \
    u64 name(u64 function, u64 a, u64 b, u64 c)                                           \
    {                                                                                     \
        register u64 x0 __asm__("x0") = function;                                         \
        register u64 x1 __asm__("x1") = a;                                                \
        register u64 x2 __asm__("x2") = b;                                                \
        register u64 x3 __asm__("x3") = c;                                                \
        __asm__ volatile(instruction                                                      \
                         : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)                         \
                         :                                                                \
                         : "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", \
                           "x14", "x15", "x16", "x17", "memory");                         \
        return x0;                                                                        \
    }
SMCCC(smccc_hvc, "hvc #0")
SMCCC(smccc_smc, "smc #0")

void psci_init(const struct fdt *fdt)
{
    int node = fdt_compatible(fdt, -1, "arm,psci-0.2");
    const char *method;

    if (node < 0)
        node = fdt_compatible(fdt, -1, "arm,psci-1.0");
    method = node < 0 ? NULL : fdt_property(fdt, node, "method", NULL);
    by_smc = method && !strcmp(method, "smc");
}

s64 psci_call(u64 function, u64 a, u64 b, u64 c)
{
    u64 result = by_smc ? smccc_smc(function, a, b, c) : smccc_hvc(function, a, b, c);

    /* SMC32 functions return 32 bits. */
    return function & 0x40000000 ? (s64)result : (s32)(u32)result;
}

void system_off(void)
{
    psci_call(PSCI_SYSTEM_OFF, 0, 0, 0);
    for (;;)
        wfi();
}

#ifndef LIB_PSCI_H
#define LIB_PSCI_H
#include "fdt.h"
#include "types.h"

#define PSCI_VERSION 0x84000000
#define PSCI_CPU_SUSPEND64 0xc4000001
#define PSCI_CPU_OFF 0x84000002
#define PSCI_CPU_ON64 0xc4000003
#define PSCI_AFFINITY_INFO64 0xc4000004
#define PSCI_SYSTEM_OFF 0x84000008
#define PSCI_SYSTEM_RESET 0x84000009
#define PSCI_FEATURES 0x8400000a

#define PSCI_SUCCESS 0
#define PSCI_NOT_SUPPORTED (-1)
#define PSCI_INVALID_PARAMETERS (-2)
#define PSCI_DENIED (-3)
#define PSCI_ALREADY_ON (-4)
#define PSCI_INTERNAL_FAILURE (-6)

#define PSCI_ON 0
#define PSCI_OFF 1

/* Takes the conduit (`method` = "smc" or "hvc") from the device tree. */
void psci_init(const struct fdt *fdt);
s64 psci_call(u64 function, u64 a, u64 b, u64 c);
u64 smccc_hvc(u64 function, u64 a, u64 b, u64 c);
u64 smccc_smc(u64 function, u64 a, u64 b, u64 c);
void NORETURN system_off(void);
#endif

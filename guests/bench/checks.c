/*
 * Checks that bootargs ask for (checks=wfi,retrigger,fp,storm,flood): paths of a hypervisor that the benchmarks do not take.
 *
 *   wfi        sleeps until the virtual timer fires
 *   retrigger  the timer's line goes up again before the interrupt is ended (lost by QEMU's GICv2 under a hypervisor)
 *   fp         FP and SIMD registers live through an exit
 *   storm      more pending interrupts than list registers
 *   flood      writes to every page of memory, 4 KiB apart (stage 2 faults)
 */
#include "bench.h"
#include "gic.h"
#include "guest.h"
#include "print.h"
#include "psci.h"
#include "string.h"
#include "sysreg.h"

#define STORM_FIRST 40
#define STORM_COUNT 12

static volatile u32 storm_seen;

bool checks_irq(u32 intid)
{
    if (intid < STORM_FIRST || intid >= STORM_FIRST + STORM_COUNT)
        return false;
    storm_seen |= 1U << (intid - STORM_FIRST);
    return true;
}

static bool check_wfi(void)
{
    u32 before = cpus[0].ticks;

    cpus[0].last_tick = true;
    timer_start();
    irq_disable();
    while (cpus[0].ticks == before) {
        wfi();
        irq_enable();
        isb();
        irq_disable();
    }
    cpus[0].last_tick = false;
    return true;
}

static bool check_retrigger(void)
{
    u64 limit = sysreg_read(CNTVCT_EL0, "arch_counter_get_cntvct") + sysreg_read(CNTFRQ_EL0, "arch_timer_get_cntfrq") * 4;
    u32 before = cpus[0].ticks;

    cpus[0].last_tick = true;
    cpus[0].retrigger = 5;
    timer_start();
    irq_enable();
    while (cpus[0].ticks != before + 6 && sysreg_read(CNTVCT_EL0, "arch_counter_get_cntvct") < limit)
        ;
    irq_disable();
    cpus[0].last_tick = false;
    return cpus[0].ticks == before + 6;
}

/* Edge-triggered SPIs, all made pending at once while interrupts are masked. */
static bool check_storm(void)
{
    u64 limit = sysreg_read(CNTVCT_EL0, "arch_counter_get_cntvct") + sysreg_read(CNTFRQ_EL0, "arch_timer_get_cntfrq") * 4;

    for (u32 i = STORM_FIRST; i < STORM_FIRST + STORM_COUNT; i++) {
        u64 config = gic.gicd + GICD_ICFGR + i / 16 * 4;

        mmio_write32(config, mmio_read32(config) | 2U << i % 16 * 2);
        if (gic.version == 3)
            mmio_write64(gic.gicd + GICD_IROUTER + i * 8, cpus[0].mpidr);
        gic_enable(0, i);
    }
    storm_seen = 0;
    for (u32 i = STORM_FIRST; i < STORM_FIRST + STORM_COUNT; i++)
        mmio_write32(gic.gicd + GICD_ISPENDR + i / 32 * 4, 1U << i % 32);
    irq_enable();
    while (storm_seen != (1U << STORM_COUNT) - 1 && sysreg_read(CNTVCT_EL0, "arch_counter_get_cntvct") < limit)
        ;
    irq_disable();
    for (u32 i = STORM_FIRST; i < STORM_FIRST + STORM_COUNT; i++)
        gic_disable(0, i);
    return storm_seen == (1U << STORM_COUNT) - 1;
}

static bool check_flood(u64 memory_end)
{
    u64 first = ALIGN_UP((u64)_image_end, 0x200000);

    for (u64 a = first; a < memory_end; a += PAGE_SIZE)
        *(volatile u64 *)a = a ^ 0x5a5a;
    for (u64 a = first; a < memory_end; a += PAGE_SIZE)
        if (*(volatile u64 *)a != (a ^ 0x5a5a))
            return false;
    return true;
}

static bool wanted(const char *bootargs, const char *name)
{
    return argument(bootargs, "checks") && argument_selects(bootargs, "checks", name);
}

static void report(const char *name, bool passed)
{
    print("bench: check %s: %s\n", name, passed ? "passed" : "FAILED");
}

void run_checks(const char *bootargs, u64 memory_end, bool hypercalls)
{
    if (wanted(bootargs, "wfi"))
        report("wfi", check_wfi());
    if (wanted(bootargs, "retrigger"))
        report("retrigger", check_retrigger());
    if (wanted(bootargs, "fp"))
        report("fp", fp_check(0x1234567800000000UL, hypercalls));
    if (wanted(bootargs, "storm"))
        report("storm", check_storm());
    if (wanted(bootargs, "flood"))
        report("flood", check_flood(memory_end));
}

/** What the paravirtual method did to a guest hypervisor's binary, in one line, and the sites that it left. */
import type { Paravirtualised } from '../vmm/index.ts'

export function rewritingText({ form, report }: Paravirtualised): string {
  const { hvc, literal, trampoline, redirect, constant, left } = report
  return `${form.toUpperCase()} form: ${hvc} hvc, ${literal} literal loads, ${trampoline} trampolines, ${redirect} redirected, ${constant} constants, ${left.length} left`
}

export const leftSites = ({ report }: Paravirtualised): string[] => report.left.map(({ address, reason }) => `0x${address.toString(16)}: ${reason}`)

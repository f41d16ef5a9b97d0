/** What the paravirtual method did to a guest hypervisor's binary, in one line, and the sites that it left. */
import type { Paravirtualised } from '../vmm/index.ts'

/** Of an ELF file, before it runs; undefined for a bare Image. */
export function rewritingText({ form, report }: Paravirtualised): string | undefined {
  if (report === undefined) return undefined
  const { hvc, literal, trampoline, redirect, constant, left } = report
  return `${form.toUpperCase()} form: ${hvc} hvc, ${literal} literal loads, ${trampoline} trampolines, ${redirect} redirected, ${constant} constants, ${left.length} left`
}

export const leftSites = ({ report }: Paravirtualised): string[] => report?.left.map(({ address, reason }) => `0x${address.toString(16)}: ${reason}`) ?? []

/** Of what virtual EL2 has executed. */
export function executedText({ form, executed }: Paravirtualised): string {
  const { pages, rewritten, copies, withdrawn, sites: { hvc, literal, trampoline, redirect, constant, escape, left }, refused } = executed()
  const sites = hvc + literal + trampoline + redirect + constant + escape
  const share = form === 'nv' ? '' : `, of them ${left} deferred accesses that no page is in reach of (${sites === 0 ? 0 : Math.round(100 * (sites - left) / sites)} % are not)`
  return `${form.toUpperCase()} form: ${rewritten} of ${pages} pages that virtual EL2 executed have ${sites} sites: ${hvc} hvc${share}, ${literal} literal loads, ${trampoline} trampolines, ${redirect} redirected, `
    + `${constant} constants, ${escape} renumbered, ${refused.length} refused; ${copies} copies made, ${withdrawn} withdrawn`
}

/** What brought control to L0: read once from the syndrome registers, then plain values. One object per PE, filled again each time. */
import { EC, ecOf, issOf } from '../arch/esr.ts'
import { choice, COUNT, record, TEXT, WORD32, WORD64 } from '../arch/saved-state.ts'
import { SLOT } from '../sysreg/index.ts'
import type { EL2Exception, Host } from './host.ts'

export class Exit {
  kind: EL2Exception = 'sync'
  syndrome = 0
  ec = 0
  iss = 0
  far = 0n
  /** HPFAR_EL2 as an address with FAR's page offset; valid for stage 2 aborts. */
  ipa = 0
  /** What the trace says: filled by the handler. */
  subject = ''
  direction: 'read' | 'write' | null = null

  read(host: Host, kind: EL2Exception): void {
    this.kind = kind
    this.direction = null
    this.ipa = 0
    if (kind !== 'sync') {
      this.syndrome = this.ec = this.iss = 0
      this.subject = kind.toUpperCase()
      return
    }
    const syndrome = Number(host.mrs(SLOT.ESR_EL2) & 0xffff_ffffn)
    this.setSyndrome(syndrome)
    this.subject = ''
    if (this.ec === EC.DataAbortLower || this.ec === EC.InstructionAbortLower || this.ec === EC.DataAbortSame) this.readAddresses(host)
  }

  setSyndrome(syndrome: number): void {
    this.syndrome = syndrome
    this.ec = ecOf(syndrome)
    this.iss = issOf(syndrome)
  }

  /** FAR_EL2, and HPFAR_EL2.FIPA[43:4] = IPA[51:12]. */
  readAddresses(host: Host): void {
    this.far = host.mrs(SLOT.FAR_EL2)
    this.ipa = Number(host.mrs(SLOT.HPFAR_EL2) & 0xfff_ffff_fff0n) * 0x100 + Number(this.far & 0xfffn)
  }
}

export const SAVED_EXIT = record<Exit>({
  kind: choice('sync', 'irq', 'fiq', 'serror'), syndrome: WORD32, ec: WORD32, iss: WORD32, far: WORD64, ipa: COUNT, subject: TEXT, direction: choice('read', 'write', null),
})

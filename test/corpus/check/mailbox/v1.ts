import { command, NodeObject } from 'theseus-actors'

/** A quota of 0 is none: the mailbox takes everything. */
export class MailboxV1 extends NodeObject<{ quota: number; used: number }> {
  static override readonly className = 'Mailbox.v1'
  static override initial() {
    return { quota: 0, used: 0 }
  }
  @command limit(quota: number): void {
    this.state.quota = quota
  }
  @command take(bytes: number): boolean {
    if (this.state.quota !== 0 && this.state.used + bytes > this.state.quota) return false
    this.state.used += bytes
    return true
  }
}

/** A quota of null is none, and one of 0 closes the mailbox. */
export class MailboxV2 extends NodeObject<{ quota: number | null; used: number }> {
  static override readonly className = 'Mailbox.v2'
  static override initial() {
    return { quota: null, used: 0 }
  }
  @command limit(quota: number): void {
    this.state.quota = quota === 0 ? null : quota
  }
  @command close(): void {
    this.state.quota = 0
  }
  @command take(bytes: number): boolean {
    if (this.state.quota !== null && this.state.used + bytes > this.state.quota) return false
    this.state.used += bytes
    return true
  }
}

/** One connection of nats.js, from when it is open until it is given up. */
import type { NatsConnection } from 'nats'
import { systemClock } from '../systemClock.js'

/** Shut: nothing connects any more. */
export interface ConnectGate {
  open: boolean
}

export class NatsLink {
  /** Whether it reaches its server, as far as nats.js knows. */
  isUp = true
  /** The functions that reject each flush that waits. */
  readonly #flushes = new Set<() => void>()

  constructor(
    readonly connection: NatsConnection,
    readonly gate: ConnectGate,
  ) {}

  get isLameDuck(): boolean {
    return this.connection.info?.ldm === true
  }

  /**
   * Rejects where the server can't be reached. It always settles: nats.js forgets flushes that
   * wait when the connection closes.
   */
  flush(): Promise<void> {
    if (!this.isUp) return Promise.reject(new Error('not connected to NATS'))
    return new Promise((resolve, reject) => {
      const fail = (): void => reject(new Error('not connected to NATS'))
      this.#flushes.add(fail)
      this.connection
        .flush()
        // The server says its refusals before it answers, but nats.js tells of them a little later.
        .then(() => systemClock.turn(resolve), fail)
        .finally(() => this.#flushes.delete(fail))
    })
  }

  isDown(): void {
    this.isUp = false
    for (const fail of this.#flushes) fail()
    this.#flushes.clear()
  }

  /**
   * Delivers what is on its way, for at most `timeoutMs`, then closes. Nothing connects after it: nats.js
   * would finish an attempt.
   */
  async end(timeoutMs: number, report: (error: unknown) => void): Promise<void> {
    if (this.isUp) {
      let cancel = (): void => {}
      const bound = new Promise<void>((resolve) => {
        cancel = systemClock.after(timeoutMs, resolve)
      })
      const drained = this.connection.drain().catch((error) => {
        if (this.isUp) report(error)
      })
      await Promise.race([drained, this.connection.closed(), bound])
      cancel()
    }
    this.gate.open = false
    this.isDown()
    await this.connection.close()
  }
}

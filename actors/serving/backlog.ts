/**
 * The bytes of all that waits at this host: calls in mailboxes and those that are held, messages that arrive
 * while the host stands still. Queues are bounded in number too, but a few large calls take as much as
 * thousands. One caller with a name takes no more than its part.
 */
import { inject, injectable } from 'tsyringe'
import { Fault } from '../../core/base/fault.js'
import type { HostSettings } from '../base/settings.js'
import { tokens } from '../base/tokens.js'
import { bytesPerValue } from '../calls/messageWeight.js'

@injectable()
export class Backlog {
  #bytes = 0
  /** Of callers with a name that have something waiting. */
  readonly #of = new Map<string, number>()

  constructor(@inject(tokens.settings) private readonly settings: HostSettings) {}

  get bytes(): number {
    return this.#bytes
  }

  /**
   * Throws `unavailable.overloaded` if a message of so many bytes is one too many. How many values there is
   * room for, if it is none too many.
   */
  check(caller: string | undefined, bytes: number): number {
    const { waitingBytesMax, waitingBytesPerCallerMax } = this.settings
    if (this.#bytes + bytes > waitingBytesMax)
      throw new Fault('unavailable.overloaded', `${this.#bytes} bytes wait at this host already, of at most ${waitingBytesMax}`)
    const left = waitingBytesMax - this.#bytes - bytes
    if (caller === undefined) return left / bytesPerValue
    const own = this.#of.get(caller) ?? 0
    if (own + bytes > waitingBytesPerCallerMax) {
      const message = `${own} bytes of ${caller} wait at this host already, of at most ${waitingBytesPerCallerMax} of one caller`
      throw new Fault('unavailable.overloaded', message)
    }
    return Math.min(left, waitingBytesPerCallerMax - own - bytes) / bytesPerValue
  }

  hasRoom(caller: string | undefined, bytes: number): boolean {
    const { waitingBytesMax, waitingBytesPerCallerMax } = this.settings
    if (this.#bytes + bytes > waitingBytesMax) return false
    return caller === undefined || (this.#of.get(caller) ?? 0) + bytes <= waitingBytesPerCallerMax
  }

  add(caller: string | undefined, bytes: number): void {
    this.#bytes += bytes
    if (caller !== undefined) this.#of.set(caller, (this.#of.get(caller) ?? 0) + bytes)
  }

  remove(caller: string | undefined, bytes: number): void {
    this.#bytes -= bytes
    if (caller === undefined) return
    const left = (this.#of.get(caller) ?? 0) - bytes
    if (left > 0) this.#of.set(caller, left)
    else this.#of.delete(caller)
  }
}

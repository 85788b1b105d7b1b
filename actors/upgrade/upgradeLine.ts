/**
 * The nodes of a host that go forward stand in line, by service: so many are on their way at
 * once, from when they ask for a slot under their service's limit until they serve again. The
 * others wait without asking anybody: ten thousand nodes are ten thousand turns of a few at a
 * time, and the event loop is nobody's for long.
 */
import { inject, injectable } from 'tsyringe'
import type { HostSettings } from '../base/settings.js'
import { tokens } from '../base/tokens.js'

/** To be called once it is not needed any more; later calls do nothing. */
export type GiveBack = () => void

interface Line {
  taken: number
  readonly waiting: Set<() => void>
}

@injectable()
export class UpgradeLine {
  readonly #lines = new Map<string, Line>()

  constructor(@inject(tokens.settings) private readonly settings: HostSettings) {}

  /** Whether somebody who asks now has to wait. */
  isFull(service: string): boolean {
    return (this.#lines.get(service)?.taken ?? 0) >= this.settings.upgradesAtOnceMax
  }

  /** Resolves when there is a place, in the order of asking. Rejects when `signal` is aborted. */
  async take(service: string, signal: AbortSignal): Promise<GiveBack> {
    signal.throwIfAborted()
    let line = this.#lines.get(service)
    if (line === undefined) this.#lines.set(service, (line = { taken: 0, waiting: new Set() }))
    if (line.taken < this.settings.upgradesAtOnceMax) line.taken++
    else await this.#turn(line, signal)
    return this.#giveBack(service, line)
  }

  /** An upgrade that gives its place back hands it on. */
  #turn({ waiting }: Line, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const next = () => {
        signal.removeEventListener('abort', leave)
        resolve()
      }
      const leave = () => {
        waiting.delete(next)
        reject(signal.reason)
      }
      waiting.add(next)
      signal.addEventListener('abort', leave, { once: true })
    })
  }

  #giveBack(service: string, line: Line): GiveBack {
    let isBack = false
    return () => {
      if (isBack) return
      isBack = true
      const [next] = line.waiting
      if (next === undefined) {
        if (--line.taken === 0) this.#lines.delete(service)
        return
      }
      line.waiting.delete(next)
      next()
    }
  }
}

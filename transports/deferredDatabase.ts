/**
 * An upgrade database that is opened as soon as it can be. A host that comes back with its
 * nodes does not wait for it: nothing about an upgrade is needed to serve the versions that
 * nodes know, and the rows can wait.
 */
import { Fault, isFault } from '../core/base/fault.js'
import type { UpgradeDatabase } from '../core/control/upgradeDatabase.js'
import type { Clock } from '../core/ports/clock.js'
import type { UdbFactory } from './udbFactory.js'

/** The pause before it is tried again; doubles up to `pauseMsMax`. */
const pauseMs = 100
const pauseMsMax = 2_000

/**
 * Rejects only where waiting would not help, as with a wrong password. `away` hears why it
 * could not be opened at once.
 */
export async function openDeferred(
  factory: UdbFactory,
  system: string,
  clock: Clock,
  away: (error: Fault) => void,
  tell?: (message: string) => void,
): Promise<UpgradeDatabase> {
  try {
    return await factory.open(system, clock, tell)
  } catch (error) {
    if (!isAway(error)) throw error
    away(error)
    return new Opening({ open: (name, at) => factory.open(name, at, tell) }, system, clock, error).database
  }
}

function isAway(error: unknown): error is Fault {
  return isFault(error) && (error.kind === 'unavailable' || error.kind === 'timeout')
}

class Opening {
  #opened: UpgradeDatabase | undefined
  #isClosed = false
  #cancel: () => void = () => {}

  constructor(
    private readonly factory: UdbFactory,
    private readonly system: string,
    private readonly clock: Clock,
    private last: unknown,
  ) {
    this.#tryAfter(pauseMs)
  }

  readonly database = new Proxy({} as UpgradeDatabase, {
    get: (_, name) => {
      // It is no promise.
      if (name === 'then') return undefined
      if (name === 'close') return () => this.#close()
      return (...args: unknown[]) => this.#use(name, args)
    },
  })

  async #use(name: string | symbol, args: readonly unknown[]): Promise<unknown> {
    if (this.#opened === undefined) {
      const { last } = this
      const details = isFault(last) ? last.details : {}
      const message = isFault(last) ? last.message : 'the upgrade database could not be opened yet'
      throw new Fault('unavailable.disconnected', message, details, { cause: last })
    }
    return Reflect.apply(Reflect.get(this.#opened, name), this.#opened, args)
  }

  #tryAfter(ms: number): void {
    this.#cancel = this.clock.after(ms, () => {
      this.factory.open(this.system, this.clock).then(
        (opened) => {
          this.#opened = opened
          if (this.#isClosed) void opened.close()
        },
        (error) => {
          this.last = error
          if (!this.#isClosed) this.#tryAfter(Math.min(2 * ms, pauseMsMax))
        },
      )
    })
  }

  async #close(): Promise<void> {
    this.#isClosed = true
    this.#cancel()
    await this.#opened?.close()
  }
}

/**
 * An upgrade whose flips are the checker's to say, and which tells what its functions throw. It does what the
 * upgrade itself does.
 */
import type { SchedulingView, Upgrade, Version } from 'theseus-actors'
import { isSO, type None, type NotNeeded, type Simulation } from '../../core/model/simulation.js'
import type { ClassUpgrade } from '../../core/upgrade/upgrade.js'
import { inRunOfItsOwn } from './ownChance.js'

/** The errors that functions of the upgrade have thrown: their names do not travel to a caller. */
export class ThrownErrors {
  readonly #names = new Map<string, string>()

  note(error: unknown): void {
    if (error instanceof Error && this.#names.size < namesMax) this.#names.set(error.message, error.constructor.name)
  }

  /** Of an error with this message. */
  nameOf(message: string): string {
    return this.#names.get(message) ?? engineErrors.find(([, text]) => text.test(message))?.[0] ?? 'Error'
  }
}

const namesMax = 1_000
/** As the engine words its own errors. */
const engineErrors: readonly (readonly [string, RegExp])[] = [
  ['ReferenceError', /^\S+ is not defined$|before initialization$/],
  ['RangeError', /^Maximum call stack size exceeded$|^Invalid array length$|^Invalid (count|time) value/],
  [
    'TypeError',
    /^Cannot (read|set|convert|destructure|delete|assign|mix|add)\b|is not (a function|iterable|a constructor|an object|extensible)|^Assignment to constant|is not (async )?iterable/,
  ],
]

export class WatchedUpgrades {
  readonly #doors = new Map<string, PromiseWithResolvers<void>>()
  readonly #views = new Map<string, SchedulingView>()

  constructor(private readonly thrown: ThrownErrors) {}

  watched(upgrade: Upgrade): Upgrade {
    return { ...upgrade, gate: null, tables: {}, classUpgrades: upgrade.classUpgrades.map((each) => this.#classUpgrade(each)) }
  }

  signal(nodeId: string, version: Version): void {
    this.#door(nodeId, version).resolve()
  }

  viewOf(nodeId: string): SchedulingView | undefined {
    return this.#views.get(nodeId)
  }

  #classUpgrade(upgrade: ClassUpgrade): ClassUpgrade {
    const { pastSO, futureSO, transform, inverse } = upgrade
    const run = async (view: SchedulingView) => {
      this.#views.set(view.nodeId, view)
      await this.#door(view.nodeId, view.target).promise
    }
    return {
      ...upgrade,
      schedule: { describe: 'when the check says so', run, takesAll: true },
      transform: this.#transform(transform),
      pastSO: this.#simulation(pastSO),
      futureSO: this.#simulation(futureSO),
      inverse: inverse === null ? null : { ...inverse, transform: this.#transform(inverse.transform) },
    }
  }

  #transform<Args extends readonly any[], Result>(transform: (...args: Args) => Result): (...args: Args) => Result {
    return (...args) => this.#noting(() => inRunOfItsOwn(() => transform(...args)))
  }

  #simulation<SO extends Simulation | NotNeeded | None>(so: SO): SO {
    if (!isSO(so)) return so
    const methods = Object.fromEntries(Object.entries(so.methods).map(([name, method]) => [name, this.#method(method)]))
    return { ...so, methods, initial: this.#transform(so.initial) }
  }

  #method(method: Simulation['methods'][string]): Simulation['methods'][string] {
    const noting = <T>(run: () => T) => this.#noting(run)
    return function (this: unknown, ...args: unknown[]) {
      return noting(() => method.apply(this, args))
    }
  }

  #noting<T>(run: () => T): T {
    try {
      const result = run()
      if (result instanceof Promise) result.catch((error: unknown) => this.thrown.note(error))
      return result
    } catch (error) {
      this.thrown.note(error)
      throw error
    }
  }

  #door(nodeId: string, version: Version): PromiseWithResolvers<void> {
    const name = `${nodeId} ${version}`
    const found = this.#doors.get(name) ?? Promise.withResolvers<void>()
    this.#doors.set(name, found)
    return found
  }
}

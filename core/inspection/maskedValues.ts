/**
 * Values that stand in the places of masked ones. The same value gets the same one in a recording of a host,
 * so that calls still meet. It can't be found out from it: the salt stays on the host.
 */
import { digestOf } from '../base/digest.js'

const digitsShown = 12
const hourMs = 3_600_000

export class Masks {
  readonly #names: ReadonlySet<string>

  constructor(
    names: Iterable<string>,
    private readonly salt: string,
  ) {
    this.#names = new Set(names)
  }

  /** `put/2` names the second argument of `put`. */
  arguments(method: string, args: readonly unknown[]): readonly unknown[] {
    if (this.#names.size === 0) return args
    return args.map((arg, i) => (this.#names.has(`${method}/${i + 1}`) ? this.#masked(arg) : this.value(arg)))
  }

  /** `get/answer` names the answer of `get`. */
  answer(method: string, value: unknown): unknown {
    if (this.#names.size === 0) return value
    return this.#names.has(`${method}/answer`) ? this.#masked(value) : this.value(value)
  }

  /** With the fields that are named masked, wherever they are. */
  value(value: unknown): unknown {
    if (!isStructure(value)) return value
    if (Array.isArray(value)) return value.map((each) => this.value(each))
    return Object.fromEntries(
      Object.entries(value).map(([key, each]) => [key, this.#names.has(key) ? this.#masked(each) : this.value(each)]),
    )
  }

  /** All scalars in it, of their types as far as this can be. */
  #masked(value: unknown): unknown {
    switch (typeof value) {
      case 'string':
        return value === '' ? '' : this.#text(value)
      case 'number':
        return Number.parseInt(this.#digits(String(value)).slice(0, 5), 16) + (Number.isInteger(value) ? 0 : 0.5)
      case 'boolean':
        return false
      default:
        break
    }
    if (value instanceof Uint8Array)
      return new Uint8Array(Buffer.from(this.#digits(Buffer.from(value).toString('base64')), 'hex'))
    if (value instanceof globalThis.Date)
      return new globalThis.Date(Number.parseInt(this.#digits(value.toISOString()).slice(0, 4), 16) * hourMs)
    if (!isStructure(value)) return value
    if (Array.isArray(value)) return value.map((each) => this.#masked(each))
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, this.#masked(each)]))
  }

  /** An address stays one: classes look at that. */
  #text(value: string): string {
    const text = `masked-${this.#digits(value)}`
    return /^[^@\s]+@[^@\s]+$/.test(value) ? `${text}@masked.invalid` : text
  }

  #digits(value: string): string {
    return digestOf(Buffer.from(`${this.salt}\n${value}`)).slice(0, digitsShown)
  }
}

function isStructure(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !(value instanceof Uint8Array) && !(value instanceof globalThis.Date)
}

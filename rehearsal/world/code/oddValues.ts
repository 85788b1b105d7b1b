/**
 * Values that user code may well have, and which no text, no store or no message takes as they are. By
 * number, for a plan is data.
 */
import { inspect } from 'node:util'

const thrown: readonly (() => unknown)[] = [
  () => undefined,
  () => null,
  () => Symbol('odd'),
  () => 10n,
  () => Object.create(null),
  () => ({
    toString() {
      throw new Error('no text')
    },
  }),
  () => Object.assign(new Error('odd'), { message: { reason: 'an object' } }),
  () =>
    Object.defineProperty(new Error('odd'), 'message', {
      get() {
        throw new Error('no message')
      },
    }),
  () => {
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    return proxy
  },
  () => new Error('\ud800'),
]

export function oddThrow(number: number): unknown {
  return thrown[number % thrown.length]!()
}

/** The values that are put into state: plain ones first. */
const values: readonly (() => unknown)[] = [
  () => 1,
  () => 'text',
  () => null,
  () => ['a', { b: [true, false] }],
  () => ({ 10: 'ten', 2: 'two', é: 'accent' }),
  () => new Uint8Array([1, 2, 3]),
]
const oddValues: readonly (() => unknown)[] = [
  () => ({ a: undefined, b: 1 }),
  () => [1, undefined],
  () => Object.assign(new Array(3), { 0: 1, 2: 3 }),
  () => Buffer.from('ff', 'hex'),
  () => -0,
  () => [-0, Number.NaN],
  () => Object.assign(Object.create(null), { a: 1 }),
  () => ({ a: 2, [Symbol('key')]: 1 }),
  () => ({
    get a() {
      return 1
    },
  }),
  () => Object.assign([1], { total: 1 }),
  () => undefined,
]
export const plainValuesCount = values.length
export const valuesCount = values.length + oddValues.length

export function valueFor(number: number): unknown {
  const value = values[number] ?? oddValues[number - values.length]
  return value!()
}

/** One of the plain values, as state has it: its records have no prototype. */
export function storedValueFor(number: number): unknown {
  return bare(valueFor(number))
}

function bare(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(bare)
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value
  return Object.assign(Object.create(null), Object.fromEntries(Object.entries(value).map(([key, each]) => [key, bare(each)])))
}

/** A value in memory, described down to the details that no store keeps. */
export function described(value: unknown): string {
  return inspect(value, { depth: 8, breakLength: Number.POSITIVE_INFINITY })
}

/**
 * The values that calls answer: a few short values by key, and a few records of 1 KB. All
 * callees answer from the same ones.
 */
import { isDeepStrictEqual } from 'node:util'
import { command, NodeObject, query } from 'theseus-actors'

const keysMax = 16

export const keys: readonly string[] = Array.from({ length: keysMax }, (_, i) => `key-${i}`)
export const initialValues: Readonly<Record<string, string>> = Object.fromEntries(keys.map((key) => [key, `the value of ${key}`]))

/**
 * An order as a shop would have it: texts, numbers, a list, nested twice. About 1 KB in standard MessagePack.
 */
export type Order = ReturnType<typeof orderOf>

function orderOf(key: string, number: number) {
  return {
    id: `order-${key}`,
    placedAt: 1_763_800_000_000 + number,
    customer: {
      id: 70_000 + number,
      name: 'Ariadne Minou',
      email: 'ariadne@labyrinth.example',
      address: { street: '1 Palace Road', city: 'Knossos', postcode: '714 09', country: 'GR' },
    },
    lines: Array.from({ length: 7 }, (_, line) => ({
      sku: `SKU-${number}-${line}-00417`,
      title: `A ball of thread, ${line + 1} × 100 m, undyed`,
      quantity: line + 1,
      priceCents: 1_995 + line * 100,
      isGift: line % 2 === 0,
    })),
    shipping: { carrier: 'Argo', isExpress: false, weightGrams: 1_250.5 },
    note: 'Please leave it with the neighbours at number 3 if nobody opens. The dog is friendly, the bull is not.',
  }
}

export const records: Readonly<Record<string, Order>> = Object.fromEntries(keys.map((key, i) => [key, orderOf(key, i)]))

/** The methods of a callee, by name. */
export const methods: Readonly<Record<Method, (key: string) => unknown>> = {
  get: (key) => initialValues[key] ?? null,
  record: (key) => records[key] ?? null,
}

export type Method = 'get' | 'record'

/**
 * Of the answers all are looked at, and one in so many wholly: to compare a whole record costs
 * as much as to decode one.
 */
const wholeEvery = 64

export function keyOf(n: number): string {
  return keys[n % keysMax]!
}

export function check(key: string, answer: unknown): void {
  if (answer !== initialValues[key]) throw new Error(`get(${key}) answered ${JSON.stringify(answer)}`)
}

export function checkRecord(n: number, answer: unknown): void {
  const expected = records[keyOf(n)]!
  const { id, lines, note } = (answer ?? {}) as Partial<Order>
  const isAlike = id === expected.id && lines?.[6]?.sku === expected.lines[6]!.sku && note === expected.note
  if (!isAlike || (n % wholeEvery === 0 && !isDeepStrictEqual(answer, expected)))
    throw new Error(`record(${keyOf(n)}) answered ${JSON.stringify(answer)}`)
}

interface State {
  values: Record<string, string>
}

export class Values extends NodeObject<State, { records: string }> {
  static override readonly className = 'Values.v1'
  static override initial(): State {
    return { values: { ...initialValues } }
  }

  @query get(key: string): string | null {
    return this.state.values[key] ?? null
  }

  @query record(key: string): Order | null {
    return records[key] ?? null
  }

  /** Writes the root: all of it is compared, and packed once for all commands of a commit. */
  @command put(key: string, value: string): void {
    this.state.values[key] = value
  }

  /** Writes one record of a collection. */
  @command putRecord(key: string, value: string): void {
    this.collection('records').put(key, value)
  }
}

/** Asked only: no command runs here, so that `get` answers the initial values for ever. */
export const askedNode = 'asked'
/** Told only: commands change it. */
export const toldNode = 'told'
/** The same for commands that go to one after the other. */
export const toldNodes: readonly string[] = Array.from({ length: 16 }, (_, i) => `told-${i}`)
/** Asked one after the other, so that few calls of one turn go to the same node. */
export const spreadNodes: readonly string[] = Array.from({ length: 64 }, (_, i) => `spread-${i}`)

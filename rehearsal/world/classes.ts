/**
 * The classes of the world: ledgers, which keep columns of operations, and tellers, which do so too and call the ledgers. Every method has the
 * operation's name for its first argument, and tells the witness when it begins and ends.
 */
import { command, event, hears, type NodeClass, NodeObject, query } from 'theseus'
import { append, type ColumnsState, emptyState, listOf } from './columns.js'
import type { Manner, Trouble } from './plan.js'
import { adding, type ClassSpec, reading } from './specs.js'
import type { Witness } from './witness.js'

/** What tellers announce, and ledgers write down. */
const told = event<[op: string]>('told')

/** What a command answers: where the operation went. */
export interface Added {
  readonly node: string
  readonly index: number
}
/** What a forwarded command answers: where it went on both nodes. */
export interface Forwarded extends Added {
  readonly ledger: Added
}
/** What a query answers, in either form. */
export interface Listed {
  readonly node: string
  readonly list: readonly string[]
}
export interface Reshaped {
  readonly node: string
  readonly entries: readonly { readonly op: string }[]
}

export interface ClassTroubles {
  readonly check: Trouble
  readonly start: Trouble
}

type Self = InstanceType<ReturnType<typeof emptyClass>>
type Method = (this: Self, op: string, ...args: any[]) => unknown

const pauseMs: Readonly<Record<Manner, number>> = { plainly: 0, failing: 0, slowly: 40, slowlyFailing: 40, lingering: 700 }

/** @param ledger the class by which tellers call ledgers: the oldest, whose methods all have */
export function makeClass(spec: ClassSpec, troubles: ClassTroubles, witness: Witness, ledger: () => NodeClass): NodeClass {
  const made = emptyClass(spec, troubles, witness)
  const define = (name: string, kind: typeof command, method: Method) => {
    Object.defineProperty(made.prototype, name, { value: method, configurable: true })
    kind(made.prototype, name)
  }
  const main = spec.columns.find(({ name }) => name === 'main')!
  for (const column of spec.columns) {
    define(adding(column.name), command, function (op, manner: Manner) {
      return carryOut(witness, this.id, op, manner, () => {
        if (column.mirrored) append(this.holder, main, op)
        return append(this.holder, column, op)
      })
    })
    define(reading(column.name), query, function (op) {
      return tell(witness, this.id, op, () => {
        const list = listOf(this.holder, column)
        return spec.reshaped.has(column.name) ? reshape({ node: this.id, list }) : { node: this.id, list }
      })
    })
  }
  if (spec.strikes) {
    define('strike', command, function (op) {
      return carryOut(witness, this.id, op, 'plainly', () => append(this.holder, main, op))
    })
  }
  if (spec.service === 'ledger') {
    define('hear', command, function (op) {
      return carryOut(witness, this.id, op, 'plainly', () => append(this.holder, main, op))
    })
    hears(told)(made.prototype, 'hear', {})
  }
  if (spec.service === 'teller') {
    define('announce', command, function (op, manner: Manner) {
      return carryOut(witness, this.id, op, manner, () => {
        this.announcing(op)
        return append(this.holder, main, op)
      })
    })
    define('forward', command, async function (op, to: string | null): Promise<Forwarded> {
      const answers: Added[] = []
      const own = await carryOut(witness, this.id, op, 'plainly', async () => {
        const index = append(this.holder, main, op)
        answers.push(await this.peer(ledger(), to).addMain(op, 'plainly'))
        return index
      })
      return { ...own, ledger: answers[0]! }
    })
    define('tell', command, function (op, to: string, manner: Manner) {
      return carryOut(witness, this.id, op, manner, () => {
        this.oneWay(ledger(), to).addMain(op, 'plainly')
        return append(this.holder, main, op)
      })
    })
    define('later', command, function (op, ms: number, manner: Manner) {
      return carryOut(witness, this.id, op, manner, () => {
        this.in(ms, 'addMain', timerOf(op), 'plainly')
        return append(this.holder, main, op)
      })
    })
    define('ask', query, function (op, of: string) {
      return tell(witness, this.id, op, () => this.peer(ledger(), of).readMain(op))
    })
  }
  return made
}

/** The operation that a timer set by another carries out. */
export function timerOf(op: string): string {
  return `${op}t`
}

export function reshape({ node, list }: Listed): Reshaped {
  return { node, entries: list.map((op) => ({ op })) }
}

export function unshape({ node, entries }: Reshaped): Listed {
  return { node, list: entries.map(({ op }) => op) }
}

/** Runs a command's writes as its manner says, under the eyes of the witness. Synchronous where nothing waits. */
export function carryOut(
  witness: Witness,
  node: string,
  op: string,
  manner: Manner,
  write: () => number | Promise<number>,
): Added | Promise<Added> {
  const isSlow = pauseMs[manner] > 0
  const answer = (index: number): Added => {
    if (manner === 'failing' || manner === 'slowlyFailing') throw new Error(`${op} was to fail`)
    return { node, index }
  }
  witness.begins(node, op)
  let written: number | Promise<number>
  try {
    written = write()
    if (typeof written === 'number' && !isSlow) return ended(() => answer(written as number))
  } catch (error) {
    return ended(() => {
      throw error
    })
  }
  return (async () => {
    try {
      const index = await written
      if (isSlow) await witness.pause(node, pauseMs[manner])
      return answer(index)
    } finally {
      witness.ends(node, op)
    }
  })()

  function ended<T>(result: () => T): T {
    witness.ends(node, op)
    return result()
  }
}

/** The same for a query. */
export function tell<T>(witness: Witness, node: string, op: string, look: () => T): T {
  witness.begins(node, op)
  let answer: T
  try {
    answer = look()
  } catch (error) {
    witness.ends(node, op)
    throw error
  }
  if (answer instanceof Promise) return answer.finally(() => witness.ends(node, op)) as T
  witness.ends(node, op)
  return answer
}

/** Opens what methods defined from outside need of their object. */
function emptyClass(spec: ClassSpec, troubles: ClassTroubles, witness: Witness) {
  return class extends NodeObject<ColumnsState, Record<string, string>> {
    static override readonly className = spec.className
    /** What tellers call is the same in every ledger of the world, so that no upgrade of these leaves a teller behind. */
    static override readonly calls = [{ className: 'Ledger.common', service: 'ledger' }]
    static override readonly publishes = spec.service === 'teller' ? [told] : []
    static override readonly service = spec.service
    static override initial() {
      return emptyState(spec.columns)
    }

    get id(): string {
      return this.nodeId
    }
    get holder() {
      return { state: this.state, collection: (name: string) => this.collection(name) }
    }
    get peer() {
      return (target: NodeClass, nodeId: string | null) => this.ref(target, nodeId ?? undefined) as any
    }
    get oneWay() {
      return (target: NodeClass, nodeId: string) => this.sender(target, nodeId) as any
    }
    get announcing() {
      return (op: string) => this.publish(told, op)
    }
    get in() {
      return (ms: number, method: string, ...args: unknown[]) => this.after(ms, method, ...args)
    }

    protected override start() {
      return witness.trouble(troubles.start, this.nodeId, `start() of ${spec.className}`)
    }
    protected override selfCheck() {
      return witness.trouble(troubles.check, this.nodeId, `selfCheck() of ${spec.className}`)
    }
  }
}

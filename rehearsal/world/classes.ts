/**
 * The classes of the world: ledgers, which keep registers of operations, and tellers, which do so
 * too and call the ledgers. Every method has the operation's name for its first argument, and
 * tells the oracle when it begins and ends.
 */
import { command, event, hears, type NodeClass, NodeObject, query } from 'theseus-actors'
import { adding, type ClassSpec, reading } from './classSpecs.js'
import { defineHabits } from './code/classHabits.js'
import { oddThrow } from './code/oddValues.js'
import { stepOf, timerOf } from './code/operationIds.js'
import { rumour } from './code/rumours.js'
import { tickMs } from './code/ticks.js'
import type { ExecutionOracle } from './executionOracle.js'
import type { Manner, ServiceName, Trouble } from './plan.js'
import { append, emptyState, listOf, type RegistersHolder, type RegistersState } from './registers.js'

/** The event that tellers announce, and that ledgers write down. */
const told = event<[op: string]>('told')

/** The answer of a command: where the operation went. */
export interface Added {
  readonly node: string
  readonly index: number
}
/** The answer of a forwarded command: where it went on both nodes. */
export interface Forwarded extends Added {
  readonly ledger: Added
}
/** The answer of a query, in either form. */
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

/** As much of an object as its methods need that are defined from outside. */
export interface WorldObject {
  readonly id: string
  readonly holder: RegistersHolder
  readonly peer: (target: NodeClass, nodeId: string | null) => any
  readonly oneWay: (target: NodeClass, nodeId: string) => any
  readonly announcing: (op: string) => void
  readonly spreading: (op: string) => void
  readonly in: (ms: number, method: string, ...args: unknown[]) => void
}
export type Method = (this: WorldObject, op: string, ...args: any[]) => unknown
export type Define = (name: string, kind: typeof command, method: Method) => void

const pauseMs: Readonly<Record<Manner, number>> = {
  plainly: 0,
  failing: 0,
  throwingOddly: 0,
  throwingHugely: 0,
  thenable: 40,
  slowly: 40,
  slowlyFailing: 40,
  endless: 1,
  lingering: 700,
}
/** More than a message takes. */
const hugeLength = 1_100_000

/** @param peer the class by which nodes of a service are called: the oldest, whose methods all have */
export function makeClass(
  spec: ClassSpec,
  troubles: ClassTroubles,
  oracle: ExecutionOracle,
  peer: (service: ServiceName) => NodeClass,
): NodeClass {
  const ledger = () => peer('ledger')
  const made = emptyClass(spec, troubles, oracle)
  const define = (name: string, kind: typeof command, method: Method) => {
    Object.defineProperty(made.prototype, name, { value: method, configurable: true })
    kind(made.prototype, name)
  }
  const main = spec.registers.find(({ name }) => name === 'main')!
  const handsOut = spec.habits.includes('handsOut')
  for (const register of spec.registers) {
    define(adding(register.name), command, function (op, manner: Manner) {
      return runCommand(oracle, this.id, op, manner, () => {
        if (register.mirrored) append(this.holder, main, op)
        return append(this.holder, register, op)
      })
    })
    define(reading(register.name), query, function (op) {
      return runQuery(oracle, this.id, op, () => {
        const list =
          handsOut && register.kept === 'root' ? this.holder.state.lists[register.name]! : listOf(this.holder, register)
        return spec.reshaped.has(register.name) ? reshape({ node: this.id, list }) : { node: this.id, list }
      })
    })
  }
  if (spec.strikes) {
    define('strike', command, function (op) {
      return runCommand(oracle, this.id, op, 'plainly', () => append(this.holder, main, op))
    })
  }
  if (spec.service === 'ledger') {
    define('hear', command, function (op) {
      return runCommand(oracle, this.id, op, 'plainly', () => append(this.holder, main, op))
    })
    // One that hears events never sleeps, and misses them once its shard has moved.
    if (spec.shards === null) hears(told)(made.prototype, 'hear', {})
  }
  if (spec.service === 'teller') {
    define('announce', command, function (op, manner: Manner) {
      return runCommand(oracle, this.id, op, manner, () => {
        this.announcing(op)
        return append(this.holder, main, op)
      })
    })
    define('forward', command, async function (op, to: string | null): Promise<Forwarded> {
      const answers: Added[] = []
      const own = await runCommand(oracle, this.id, op, 'plainly', async () => {
        const index = append(this.holder, main, op)
        answers.push(await this.peer(ledger(), to).addMain(op, 'plainly'))
        return index
      })
      return { ...own, ledger: answers[0]! }
    })
    define('tell', command, function (op, to: string, manner: Manner) {
      return runCommand(oracle, this.id, op, manner, () => {
        this.oneWay(ledger(), to).addMain(op, 'plainly')
        return append(this.holder, main, op)
      })
    })
    define('later', command, function (op, ms: number, manner: Manner) {
      return runCommand(oracle, this.id, op, manner, () => {
        this.in(ms, 'addMain', timerOf(op), 'plainly')
        return append(this.holder, main, op)
      })
    })
    define('ask', query, function (op, of: string) {
      return runQuery(oracle, this.id, op, () => this.peer(ledger(), of).readMain(op))
    })
  }
  defineHabits(spec, oracle, define, peer)
  if (spec.rumours && spec.service === 'ledger') hears(rumour)(made.prototype, 'rumour', {})
  return made
}

export function reshape({ node, list }: Listed): Reshaped {
  return { node, entries: list.map((op) => ({ op })) }
}

export function unshape({ node, entries }: Reshaped): Listed {
  return { node, list: entries.map(({ op }) => op) }
}

/**
 * Runs a command's writes as its manner says, under the eyes of the oracle. Synchronous where nothing waits.
 */
export function runCommand(
  oracle: ExecutionOracle,
  node: string,
  op: string,
  manner: Manner,
  write: () => number | Promise<number>,
): Added | Promise<Added> {
  const isSlow = pauseMs[manner] > 0
  const answer = (index: number): Added => {
    if (manner === 'failing' || manner === 'slowlyFailing') throw new Error(`${op} was to fail`)
    if (manner === 'throwingOddly') throw oddThrow(stepOf(op) ?? 0)
    if (manner === 'throwingHugely') throw new Error('x'.repeat(hugeLength))
    return { node, index }
  }
  oracle.begins(node, op)
  let written: number | Promise<number>
  try {
    written = write()
    if (typeof written === 'number' && !isSlow) return ended(() => answer(written as number))
  } catch (error) {
    return ended(() => {
      throw error
    })
  }
  if (manner === 'thenable' && typeof written === 'number') return foreign(written)
  return (async () => {
    try {
      const index = await written
      if (manner === 'endless') await oracle.hangInCall(node)
      if (isSlow) await oracle.pause(node, pauseMs[manner])
      return answer(index)
    } finally {
      oracle.ends(node, op)
    }
  })()

  /** As libraries have them: it tells its value, and its `then` returns nothing. */
  function foreign(index: number): Promise<Added> {
    const then = (resolve: (added: Added) => void) => {
      void oracle.pause(node, pauseMs.thenable).then(() => {
        oracle.ends(node, op)
        resolve(answer(index))
      })
    }
    return { then } as never
  }

  function ended<T>(result: () => T): T {
    oracle.ends(node, op)
    return result()
  }
}

/** The same for a query. */
export function runQuery<T>(oracle: ExecutionOracle, node: string, op: string, look: () => T): T {
  oracle.begins(node, op)
  let answer: T
  try {
    answer = look()
  } catch (error) {
    oracle.ends(node, op)
    throw error
  }
  if (answer instanceof Promise) return answer.finally(() => oracle.ends(node, op)) as T
  oracle.ends(node, op)
  return answer
}

/**
 * Nobody calls its own service, but where walks go anywhere: a schedule that waits for those that it calls
 * would wait for itself.
 */
function calledBy({ service, habits }: ClassSpec) {
  const [ledgers, tellers] = [
    { className: 'Ledger.common', service: 'ledger' },
    { className: 'Teller.common', service: 'teller' },
  ]
  if (habits.includes('walks')) return [ledgers, tellers]
  return service === 'teller' ? [ledgers] : []
}

/** Opens what methods defined from outside need of their object. */
function emptyClass(spec: ClassSpec, troubles: ClassTroubles, oracle: ExecutionOracle) {
  const made = class extends NodeObject<RegistersState, Record<string, string>> {
    static override readonly className = spec.className
    /** Every class of a service calls the same, so that no upgrade of these leaves a caller behind. */
    static override readonly calls = calledBy(spec)
    static override readonly reentrant = spec.habits.includes('reentrant')
    static override readonly publishes = spec.service === 'ledger' ? [] : spec.rumours ? [told, rumour] : [told]
    static override readonly service = spec.service
    static override initial() {
      const state = emptyState(spec.registers)
      return spec.habits.includes('table') ? { ...state, marks: {} } : state
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
    get spreading() {
      return (op: string) => this.publish(rumour, op)
    }
    get in() {
      return (ms: number, method: string, ...args: unknown[]) => this.after(ms, method, ...args)
    }

    protected override start() {
      if (spec.habits.includes('ticks')) this.after(tickMs, 'tick', 'tick')
      return oracle.trouble(troubles.start, this.nodeId, `start() of ${spec.className}`)
    }
    protected override selfCheck() {
      return oracle.trouble(troubles.check, this.nodeId, `selfCheck() of ${spec.className}`)
    }
  }
  return spec.shards === null ? made : Object.assign(made, { shards: spec.shards })
}

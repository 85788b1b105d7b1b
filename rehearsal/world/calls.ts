/**
 * The calls that a plan's clients make: what is asked, what the answer is held against, and
 * what its failure says.
 */
import { type Fault, isFault, type RunningHost, type Version } from 'theseus-actors'
import { reasonOf } from '../../core/base/fault.js'
import { type Added, type Forwarded, type Listed, type Reshaped, unshape } from './classes.js'
import { adding, lineageOf, reading, registerOf } from './classSpecs.js'
import type { CodeCheckers } from './code/codeCheckers.js'
import { lateOf } from './code/operationIds.js'
import type { TableRead } from './code/table.js'
import type { Walked } from './code/walks.js'
import { isExpected, isWithoutTrace } from './expectations.js'
import type { Lengths, Model } from './model.js'
import type { Asked, Plan, ServiceName, Step } from './plan.js'
import type { PlannedClasses } from './plannedClasses.js'

export type CallStep = Extract<Step, { kind: 'call' }>

export interface CallsContext {
  readonly plan: Plan
  readonly planned: PlannedClasses
  readonly model: Model
  readonly code: CodeCheckers
  violated(rule: string, what: string): void
  /** A call was told that its version is dead. */
  calledDead(op: string, version: Version): void
  trace(line: string): void
}

/** Makes the call through a client's host. Resolves when it has ended, well or not. */
export async function makeCall(world: CallsContext, client: RunningHost, op: string, call: CallStep): Promise<void> {
  const { plan, planned, model } = world
  const { service, version, node, asked, deadlineMs } = call
  const before = model.lengths()
  model.began(op)
  world.trace(`${op} ${callText(call)}`)
  try {
    const answer = await (call.isRegistered ? byReference() : byName())
    world.trace(`${op} answered ${JSON.stringify(answer)}`)
    model.ended(op, 'done')
    hold(world, op, call, answer, before)
  } catch (error) {
    if (!isFault(error)) throw error
    world.trace(`${op} failed: ${error.code}`)
    model.ended(op, isWithoutTrace(error, asked) ? 'not executed' : 'unknown')
    if (error.code === 'unavailable.no-such-node' && isTold(before, node))
      world.violated('C14', `${op} is told that there is no ${node}, of which something was told before`)
    if (!isExpected(plan, error, call)) {
      world.violated('C6', `${op} ${callText(call)} ended with ${reasonOf(error)}${detailsOf(error)}`)
    }
    // At which version its class was called, the client's host knows: the oldest is held
    // against what is dead.
    if (error.code === 'version.dead') world.calledDead(op, call.isPinned ? 0 : version)
  }

  function byReference(): Promise<unknown> {
    const pin = call.isPinned ? {} : { version }
    const [method, args] = methodOf(asked)
    const ref = client.ref(planned.lines[service][version]!, node ?? undefined, { ...pin, deadline: deadlineMs }) as Record<
      string,
      any
    >
    return ref[method](op, ...args)
  }

  /** As an operator calls: registered nowhere. */
  function byName(): Promise<unknown> {
    const [method, args] = methodOf(asked)
    const kind = isQuery(asked) ? 'query' : 'command'
    return client.operator.call(targetOf(plan, service, node), method, [op, ...args], { version, deadlineMs, kind })
  }
}

/** As an operator names it. */
export function targetOf({ shards }: Plan, service: ServiceName, node: string | null) {
  if (node === null) return { service }
  const of = shards?.counts[service]
  return of === undefined ? { node } : { node, shardOf: { service, shard: 0, of, host: null } }
}

function hold(world: CallsContext, op: string, { service, version, asked }: CallStep, answer: unknown, before: Lengths): void {
  const { model, plan } = world
  switch (asked.what) {
    case 'add': {
      const { node, index } = answer as Added
      model.added(op, node, asked.register, index, before)
      return
    }
    case 'read': {
      const spec = lineageOf(plan, service)[version]!
      const listed = spec.reshaped.has(asked.register) ? unshape(answer as Reshaped) : (answer as Listed)
      model.listed(listed, registerOf(spec, asked.register).name, before)
      return
    }
    case 'forward': {
      const { node, index, ledger } = answer as Forwarded
      model.added(op, node, 'main', index, before)
      model.added(op, ledger.node, 'main', ledger.index, before)
      return
    }
    case 'strike':
    case 'tell':
    case 'announce':
    case 'later': {
      const { node, index } = answer as Added
      model.added(op, node, 'main', index, before)
      return
    }
    case 'set':
    case 'setLater':
    case 'rumour': {
      const { node, index } = answer as Added
      model.added(op, node, 'main', index, before)
      return
    }
    case 'walk':
      holdWalk(model, answer as Walked, before)
      return
    case 'table': {
      const read = answer as TableRead
      model.listed(read, 'main', before)
      world.code.tables.read(read, asked.range)
      return
    }
    case 'ask':
      model.listed(answer as Listed, 'main', before)
  }
}

function holdWalk(model: Model, { node, op, index, late, next }: Walked, before: Lengths): void {
  model.added(op, node, 'main', index, before)
  if (late !== null) model.added(lateOf(op), node, 'main', late, before)
  for (const hop of next) holdWalk(model, hop, before)
}

function isTold(lengths: Lengths, node: string | null): boolean {
  return [...lengths].some(([key, length]) => length > 0 && key.startsWith(`${node} `))
}

function isQuery({ what }: Asked): boolean {
  return what === 'read' || what === 'ask' || what === 'table'
}

function methodOf(asked: Asked): readonly [string, readonly unknown[]] {
  switch (asked.what) {
    case 'add':
      return [adding(asked.register), [asked.manner]]
    case 'read':
      return [reading(asked.register), []]
    case 'strike':
      return ['strike', []]
    case 'forward':
    case 'ask':
      return [asked.what, [asked.ledger]]
    case 'tell':
      return ['tell', [asked.ledger, asked.manner]]
    case 'later':
      return ['later', [asked.ms, asked.manner]]
    case 'announce':
      return ['announce', [asked.manner]]
    case 'rumour':
      return ['rumour', []]
    case 'walk':
      return ['walk', [asked.walk]]
    case 'set':
      return ['set', [asked.change]]
    case 'setLater':
      return ['setLater', [asked.change, asked.ms]]
    case 'table':
      return ['table', [asked.range]]
  }
}

export function callText({ client, service, node, version, isPinned, isRegistered, asked }: CallStep): string {
  const [method, args] = methodOf(asked)
  return `${client} calls ${node ?? `any ${service}`} ${method}(${args.map((arg) => JSON.stringify(arg)).join(', ')}) at version ${version}${isPinned ? ', by its class' : ''}${isRegistered ? '' : ', unregistered'}`
}

function detailsOf(fault: Fault): string {
  return fault.kind === 'protocol' ? ` ${JSON.stringify(fault.details)}` : ''
}

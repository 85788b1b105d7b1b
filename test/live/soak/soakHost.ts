/**
 * A host process of a soak: the world's classes on real NATS, real Redis and LMDB. Tells whoever started it
 * what its nodes do, and when.
 */
import { createHost, type HostEvent, type NodeHandle } from 'theseus-actors'
import { lmdb } from 'theseus-actors/lmdb'
import { nats } from 'theseus-actors/nats'
import type { StateStore } from 'theseus-actors/ports'
import { redis } from 'theseus-actors/redis'
import type { RunningNode } from '../../../rehearsal/world/cluster.js'
import { ExecutionOracle } from '../../../rehearsal/world/executionOracle.js'
import type { Plan, ServiceName } from '../../../rehearsal/world/plan.js'
import { plannedClassesOf } from '../../../rehearsal/world/plannedClasses.js'
import { hostNames } from './soakPlan.js'
import { soakSettings } from './soakSettings.js'

export interface SoakOrder {
  readonly system: string
  readonly hostId: string
  readonly natsUrl: string
  readonly redisUrl: string
  readonly directory: string
  readonly plan: Plan
  readonly isHealed: boolean
}

/** The state of a node. */
export type NodeReport = Omit<RunningNode, 'retry'>
/** The reports, with the machine's own clock, by which all hosts' reports can be put in order. */
export type SoakMessage =
  /** All its nodes are up. */
  | { readonly type: 'ready' }
  | {
      readonly type: 'tale'
      readonly at: bigint
      readonly event: HostEvent | null
      readonly nodeId: string | null
      readonly told: NodeReport | null
    }
  | { readonly type: 'violated'; readonly rule: string; readonly what: string }
/** The orders to the host. */
export type SoakDirective = { readonly type: 'healed' } | { readonly type: 'retry'; readonly nodeId: string }

/** Where bundles find the oracle of the process that they are loaded into. */
const oracleKey = Symbol.for('theseus.soak.oracle')

const tryAgainMs = 150
const tellEveryMs = 500
const order: SoakOrder = JSON.parse(process.env.SOAK_ORDER!)
const { plan, hostId } = order
const handles = new Map<string, NodeHandle>()

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))
const send = (message: SoakMessage) => void (process.connected && process.send!(message))

const oracle = new ExecutionOracle({
  isAlive: () => true,
  begins: () => {},
  runs: () => {},
  signalled: () => {},
  pause: (_, ms) => sleep(ms),
  violated: (rule, what) => send({ type: 'violated', rule, what }),
  ticked: () => {},
  hangs: () => {},
})
oracle.isHealed = order.isHealed
Object.assign(globalThis, { [oracleKey]: oracle })

process.on('message', (directive: SoakDirective) => {
  if (directive.type === 'healed') oracle.isHealed = true
  else handles.get(directive.nodeId)?.retry()
})
process.on('disconnect', () => process.exit(0))

/** All hosts but one keep a log, as they do at the newest level: the system stays at the first one. */
async function openState(): Promise<StateStore> {
  const store = await lmdb(`${order.directory}/state`).open()
  if (hostId !== hostNames[0]) await store.keepLog?.()
  return store
}

const { lines } = plannedClassesOf(plan, oracle)
const host = await untilItSucceeds(() =>
  createHost({
    system: order.system,
    hostId,
    transport: nats(order.natsUrl),
    udb: redis(order.redisUrl),
    state: { open: openState },
    bundles: `${order.directory}/bundles`,
    settings: soakSettings(plan),
    observe: (event) => tell(event),
  }),
)
await Promise.all(plan.nodes.filter((node) => node.host === hostId).map(({ nodeId, service }) => start(nodeId, service)))
// No event tells of records that are made in passing.
setInterval(() => {
  for (const nodeId of handles.keys()) tell(null, nodeId)
}, tellEveryMs)
send({ type: 'ready' })

/**
 * As whoever looks after a host would. Servers are away, and what a node begins with may fail,
 * as long as the troubles last.
 */
async function untilItSucceeds<T>(action: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await action()
    } catch {
      await sleep(tryAgainMs)
    }
  }
}

async function start(nodeId: string, service: ServiceName): Promise<void> {
  handles.set(nodeId, await untilItSucceeds(() => host.node(lines[service][0]!, nodeId)))
  tell(null, nodeId)
}

function tell(event: HostEvent | null, nodeId = event !== null && 'nodeId' in event ? event.nodeId : null): void {
  const told = nodeId === null ? null : toldOf(nodeId)
  send({ type: 'tale', at: process.hrtime.bigint(), event: event && plainOf(event), nodeId, told })
}

function toldOf(nodeId: string): NodeReport | null {
  const handle = handles.get(nodeId)
  return handle === undefined
    ? null
    : { version: handle.version, className: handle.className, phase: handle.phase, chain: handle.chain, records: handle.records }
}

/** An error keeps its name on its way to another process only as data. */
function plainOf(event: HostEvent): HostEvent {
  if (!('error' in event) || !(event.error instanceof Error)) return event
  const { name, message } = event.error
  return { ...event, error: { name, message } }
}

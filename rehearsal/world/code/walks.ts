/**
 * Walks: commands that write their operation down and call other nodes, which do the same. Ways
 * of any length and shape: they come back to nodes where they have been, fan out, are not
 * awaited, or fail before what they began has ended.
 */
import type { Version } from 'theseus-actors'
import type { ClassSpec } from '../classSpecs.js'
import type { ExecutionOracle } from '../executionOracle.js'
import type { ServiceName } from '../plan.js'
import { append, type RegistersHolder } from '../registers.js'
import { hopOf, lateOf } from './operationIds.js'

export interface Walk {
  /** The nodes that are called, each with its own part of the way. */
  readonly to: readonly { readonly node: string; readonly walk: Walk }[]
  /** `inTurn` and `atOnce` await all answers; the others do not. */
  readonly awaits: 'inTurn' | 'atOnce' | 'nothing' | 'aFailure'
  /** How long it takes after it has called, before it writes once more; 0: it does not. */
  readonly pauseMs: number
  /** The version at which it is called, where that is not its caller's. */
  readonly label?: Version
}

export interface Walked {
  readonly node: string
  readonly op: string
  readonly index: number
  /** Of what it wrote when it had paused. */
  readonly late: number | null
  /** Where its answers were awaited. */
  readonly next: readonly Walked[]
}

/** The walker: an object, or an SO. */
export interface Walker {
  readonly nodeId: string
  readonly oracle: ExecutionOracle
  /** Writes an operation into `main`. */
  add(op: string): number | Promise<number>
  call(node: string, op: string, walk: Walk): Promise<Walked>
}

/** How long a walk goes on that fails before its answers are there. */
const failsAfterMs = 5

export async function walk(walker: Walker, op: string, { to, awaits, pauseMs }: Walk): Promise<Walked> {
  const { nodeId, oracle } = walker
  const index = await walker.add(op)
  const next: Walked[] = []
  const calls = () => to.map(({ node, walk }, i) => walker.call(node, hopOf(op, i + 1), walk))
  switch (awaits) {
    case 'inTurn':
      for (const [i, hop] of to.entries()) next.push(await walker.call(hop.node, hopOf(op, i + 1), hop.walk))
      break
    case 'atOnce':
      next.push(...(await Promise.all(calls())))
      break
    case 'nothing':
      for (const call of calls()) call.catch(() => {})
      break
    case 'aFailure':
      await Promise.all([...calls(), failure(oracle, nodeId)])
  }
  if (pauseMs === 0) return { node: nodeId, op, index, late: null, next }
  await oracle.pause(nodeId, pauseMs)
  return { node: nodeId, op, index, late: await walker.add(lateOf(op)), next }
}

async function failure(oracle: ExecutionOracle, nodeId: string): Promise<never> {
  await oracle.pause(nodeId, failsAfterMs)
  throw new Error('the walk was to fail')
}

export function serviceOfNode(nodeId: string): ServiceName {
  return nodeId.startsWith('ledger') ? 'ledger' : 'teller'
}

/** The parts of its object that a walker needs. */
export function walkerOf(
  spec: ClassSpec,
  oracle: ExecutionOracle,
  nodeId: string,
  holder: RegistersHolder,
  ref: (node: string) => any,
): Walker {
  const main = spec.registers.find(({ name }) => name === 'main')!
  return {
    nodeId,
    oracle,
    add: (op) => append(holder, main, op),
    call: (node, op, walk) => ref(node).walk(op, walk),
  }
}

/** Every part of a walk, with its operation and its node. */
export function* partsOf(
  op: string,
  node: string,
  walk: Walk,
): Iterable<{ readonly op: string; readonly node: string; readonly walk: Walk }> {
  yield { op, node, walk }
  for (const [i, hop] of walk.to.entries()) yield* partsOf(hopOf(op, i + 1), hop.node, hop.walk)
}

/** The parts of an SO that walks. */
export interface WalkingSO {
  readonly nodeId: string
  readonly next: Record<string, (...args: any[]) => Promise<any>>
  now(): number
  random(): number
}

/**
 * An SO that calls the other nodes itself, at the version that it implements, and writes
 * through the next object.
 */
export async function walkBySO(
  so: WalkingSO,
  oracle: ExecutionOracle,
  op: string,
  way: Walk,
  label: Version,
  ref: (node: string) => any,
): Promise<Walked> {
  const chance = so.random()
  if (!(chance >= 0 && chance < 1 && Number.isFinite(so.now()))) oracle.violated('C12', `${so.nodeId} has the chance ${chance}`)
  oracle.begins(so.nodeId, op)
  try {
    const walker: Walker = {
      nodeId: so.nodeId,
      oracle,
      add: async (each) => ((await so.next.addMain!(each, 'plainly')) as { index: number }).index,
      call: (node, hop, further) => ref(node).walk(hop, { ...further, label }),
    }
    return await walk(walker, op, way)
  } finally {
    oracle.ends(so.nodeId, op)
  }
}

/**
 * Carries out what was asked for on the screen, as `rollout pause` and its like do: signed
 * where a key was given.
 */
import { isFault, type Operator } from 'theseus-actors'
import { explainNoServer } from '../context/connection.js'
import { Failure } from '../output/exitCodes.js'
import { oneLine } from '../output/output.js'
import type { WatchOrder } from './screenState.js'

export interface OrderResult {
  readonly text: string
  readonly isFault: boolean
}

/** Never throws what can be expected to go wrong: the screen says it. */
export async function sendWatchOrder(operator: Operator, system: string, order: WatchOrder): Promise<OrderResult> {
  try {
    return { text: await explainNoServer(system, ask(operator, order)), isFault: false }
  } catch (error) {
    if (isFault(error)) return { text: oneLine(`${error.code}: ${error.message}`), isFault: true }
    if (error instanceof Failure) return { text: oneLine(error.message), isFault: true }
    throw error
  }
}

async function ask(operator: Operator, order: WatchOrder): Promise<string> {
  switch (order.kind) {
    case 'pause':
      await operator.pause(order.version, '')
      return `version ${order.version} is paused`
    case 'resume':
      return (await operator.resume(order.version))
        ? `version ${order.version} goes on`
        : `version ${order.version} was not paused`
    case 'retry':
      await operator.retry(order.version)
      return `version ${order.version} is tried again where it is stalled or rejected`
    case 'undo': {
      const by = await operator.undo({ version: order.version })
      return `version ${by} undoes version ${order.version}`
    }
    case 'promote':
      await operator.promote(order.version, order.share)
      return order.share === null
        ? `the next step of version ${order.version} goes now`
        : `all nodes go to version ${order.version} now`
    case 'hold':
      await operator.hold(order.nodeId, '')
      return `node ${order.nodeId} is held`
    case 'release':
      return (await operator.release(order.nodeId)) ? `node ${order.nodeId} is released` : `node ${order.nodeId} was not held`
    case 'upgrade':
      return `node ${order.nodeId} goes to version ${await operator.upgradeNow(order.nodeId)} now`
  }
}

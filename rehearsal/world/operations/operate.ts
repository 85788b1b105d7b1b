/** Carries out the steps that operate processes. Each returns its end, where it has one. */

import type { Cluster } from '../cluster.js'
import type { WorldDatabase } from '../database.js'
import type { HostProcess } from '../hostProcess.js'
import type { Network } from '../network.js'
import type { ProcessEnvironment } from '../processEnvironment.js'
import type { ProcessFault } from '../processFault.js'
import { loseCache } from '../shards/cacheLosses.js'
import type { WorldTime } from '../virtualTime.js'
import type { DatabaseLoss, SurvivingControls } from './databaseLoss.js'
import { canMove, type Move } from './moves.js'
import type { OperationStep } from './operationPlan.js'

export interface OperationsContext extends Cluster {
  readonly time: WorldTime
  readonly udb: WorldDatabase
  readonly settings: ProcessEnvironment['settings']
  moved(from: HostProcess, to: string, how: Move): Promise<void>
  readonly network: Network
  readonly logs: ProcessEnvironment['logs']
  /** The oracle is to know what is left. */
  databaseLost(how: DatabaseLoss, left: SurvivingControls): void
  openCallsOf(processFault: ProcessFault): number
  trace(line: string): void
  violated(rule: string, what: string): void
}

/** Beyond the longest drain, transform, start and deadline of a plan, where nothing bounds a stop. */
const leaveMsMax = 20_000
/** A disk that is slow, and what waits for the next look. */
const graceMs = 500
const lookEveryMs = 20

/**
 * `endAfter` takes the end of the step's trouble, and when that is. `leaving` is told of what takes a while,
 * and is to be waited for at the end.
 */
export function operate(
  world: OperationsContext,
  step: OperationStep,
  endAfter: (ms: number, end: () => void) => void,
  leaving: (left: Promise<void>) => void,
): void {
  switch (step.kind) {
    case 'stop': {
      const host = world.host(step.host)
      if (!host.isAlive) return
      const startAgain = () => endAfter(step.forMs, () => void (host.isAlive || host.start()))
      if (step.afterStartMs === null) {
        if (host.running !== undefined) leaving(stoppedWhole(world, host).then((hasStopped) => void (hasStopped && startAgain())))
        return
      }
      host.kill()
      host.start()
      leaving(
        whenRunning(world, host)
          .then(() => world.time.sleep(step.afterStartMs!))
          .then(() => host.running !== undefined && stoppedWhole(world, host))
          .then((hasStopped) => void (hasStopped && startAgain())),
      )
      return
    }
    case 'stopNode': {
      const host = world.hostOf(step.nodeId)
      if (host?.nodes.get(step.nodeId)?.handle === undefined) return
      leaving(nodeStopped(world, host, step.nodeId).then((startAgain) => endAfter(step.forMs, startAgain)))
      return
    }
    case 'freeze': {
      const process = world.processes().find(({ name }) => name === step.process)
      if (process?.isAlive) endAfter(step.forMs, process.freeze())
      return
    }
    case 'serverDies': {
      const server = world.server(step.server)
      if (server.isAlive) server.killAfterRequests(step.requests, () => endAfter(step.forMs, () => server.start()))
      return
    }
    case 'replay':
      world.network.replay()
      return
    case 'move': {
      const host = world.host(step.host)
      if (!canMove(world, host, step.to)) return
      endAfter(step.forMs, host.freeze())
      leaving(world.moved(host, step.to, step.how))
      return
    }
    case 'refused':
      endAfter(step.forMs, world.host(step.host).refuse())
      return
    case 'databaseLost': {
      const lose = world.udb.losing(step.how)
      endAfter(step.inMs, () => void lose((left) => world.databaseLost(step.how, left)))
      return
    }
    case 'cacheLost':
      loseCache(world, step, endAfter)
      return
    case 'logsCut':
      endAfter(step.forMs, world.logs!.cut(step.host))
      return
    case 'logsFlaky':
      endAfter(step.forMs, world.logs!.flaky(step.isFull))
      return
    case 'clock':
      world
        .processes()
        .find(({ name }) => name === step.process)
        ?.setClock(step.byMs)
  }
}

/**
 * Resolves to what starts it again; also when its host is killed meanwhile, which brings it back by itself.
 */
async function nodeStopped(world: OperationsContext, host: HostProcess, nodeId: string): Promise<() => void> {
  const { time } = world
  const { processFault } = host
  let startAgain: (() => void) | undefined
  void host.stopNode(nodeId).then((again) => {
    startAgain = again
  })
  for (let tookMs = 0; startAgain === undefined && !processFault.isDead; await time.sleep(lookEveryMs)) {
    if (!processFault.isFrozen) tookMs += lookEveryMs
    if (tookMs <= stopWithinMs(world)) continue
    world.violated('C10', `${nodeId} does not stop`)
    break
  }
  return startAgain ?? (() => {})
}

function stopWithinMs({ settings }: OperationsContext): number {
  return (settings.leaveMs ?? leaveMsMax) + graceMs
}

/** A host that can't start now is not waited for longer than this. */
const runsWithinMs = 1_000

async function whenRunning({ time }: OperationsContext, host: HostProcess): Promise<void> {
  for (const sinceMs = time.elapsedMs; host.running === undefined && time.elapsedMs - sinceMs < runsWithinMs; )
    await time.sleep(1)
}

/**
 * C10. With a host end its calls and the starts of its nodes: the code that waits for them hears of it before
 *      the host has stopped.
 */
async function stoppedWhole(world: OperationsContext, host: HostProcess): Promise<boolean> {
  const { processFault, name } = host
  const hasStopped = await stopHost(world, host)
  if (!hasStopped) return false
  for (const nodeId of host.starting) world.violated('C10', `${name} has stopped, and ${nodeId} still starts there`)
  const calls = world.openCallsOf(processFault)
  if (calls > 0) world.violated('C10', `${name} has stopped, and ${calls} of its calls have not ended`)
  return true
}

/** Stops it in order. False when it was killed meanwhile: then it comes back by itself. */
export async function stopHost(world: OperationsContext, host: HostProcess): Promise<boolean> {
  const { time } = world
  const { processFault } = host
  let isStopped = false
  void host.stop().then(() => {
    isStopped = true
  })
  for (let tookMs = 0; !isStopped; await time.sleep(lookEveryMs)) {
    if (processFault.isDead) return false
    if (!processFault.isFrozen) tookMs += lookEveryMs
    if (tookMs > stopWithinMs(world)) {
      world.violated('C10', `${host.name} does not stop`)
      return false
    }
  }
  world.trace(`${host.name} has stopped`)
  return true
}

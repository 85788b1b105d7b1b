/** A node as the program that started it has it in its hands. */
import 'reflect-metadata'
import test from 'ava'
import type { Node } from '../../actors/node/node.js'
import { RunningNode } from '../../actors/node/nodeHandle.js'
import { ManualClock } from './manualClock.js'

function open() {
  const clock = new ManualClock()
  const followers: (() => boolean)[] = []
  const world = { hasChain: true, version: 2, phase: 'current', reason: null as string | null }
  const node = {
    id: 'n1',
    get phase() {
      return world.phase
    },
    software: {
      get hasChain() {
        return world.hasChain
      },
      get chain() {
        if (!world.hasChain) throw new Error('there is no chain')
        const links = [{ version: 2, className: 'Pages.v2', role: 'object', receivers: [] }]
        return { version: 2, object: { className: 'Pages.v2' }, links }
      },
    },
    get runs() {
      return { version: world.version, className: `Pages.v${world.version}` }
    },
    status: {
      get phase() {
        return world.phase
      },
      get reason() {
        return world.reason
      },
      follow: (look: () => boolean) => void followers.push(look),
    },
    manager: { retry: () => void log.push('tries again') },
    async stop() {
      await new Promise((resolve) => setImmediate(resolve))
      log.push('stopped')
    },
  }
  const log: string[] = []
  const handle = new RunningNode(node as unknown as Node, clock, () => void log.push('told'))
  const look = () => followers.map((one) => one())
  return { clock, world, handle, log, look }
}

test('a handle shows the chain that answers, and before there is one the version that the node runs', (t) => {
  const { world, handle } = open()
  world.version = 3
  t.deepEqual([handle.version, handle.className], [2, 'Pages.v2'])
  t.deepEqual(handle.chain, [{ version: 2, className: 'Pages.v2', role: 'object' }])
  world.hasChain = false
  t.deepEqual([handle.version, handle.className, handle.chain], [3, 'Pages.v3', []])
})

test('a version is reached when the node is current at it or past it', async (t) => {
  const { clock, world, handle, look } = open()
  const reached = handle.reached(3)
  t.deepEqual(look(), [false], 'it is at version 2')
  world.phase = 'transforming'
  world.version = 3
  t.deepEqual(look(), [false], 'it is on its way')
  world.phase = 'current'
  t.deepEqual(look(), [true], 'it is followed no further')
  await reached
  t.is(clock.timers, 0)
  world.version = 4
  const past = handle.reached(3)
  look()
  await past
})

test('a node that is stalled on its way, or has rejected the upgrade, is not waited for', async (t) => {
  for (const phase of ['stalled', 'rejected']) {
    const { world, handle, look } = open()
    const reached = handle.reached(4)
    world.phase = phase
    world.reason = 'no stars'
    t.deepEqual(look(), [true], phase)
    await t.throwsAsync(reached, {
      code: 'upgrade.unreached',
      message: `node n1 is ${phase} on its way to version 3: no stars`,
    })
  }
})

test('a version that is not reached in time is said so, with the phase in which the node is', async (t) => {
  const { clock, world, handle, look } = open()
  const reached = handle.reached(3, { timeout: '2s' })
  world.phase = 'draining'
  look()
  clock.advance(2_000)
  await t.throwsAsync(reached, {
    code: 'timeout.deadline',
    message: 'node n1 has not reached version 3 in 2000 ms: it is draining',
  })
})

test('a stalled node tries again when it is told to, and its host is told when it has stopped', async (t) => {
  const { handle, log } = open()
  handle.retry()
  await handle.stop()
  t.deepEqual(log, ['tries again', 'stopped', 'told'])
})

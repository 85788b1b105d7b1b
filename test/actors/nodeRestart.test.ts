/**
 * A node that has crashed comes back from what is on disk: one restart at a time, until its object starts.
 */
import 'reflect-metadata'
import test from 'ava'
import { NodeRestart, type RestartingNode } from '../../actors/node/nodeRestart.js'
import { gate } from '../support/testSystem.js'
import { turns } from './claiming.js'
import { ManualClock } from './manualClock.js'

function open() {
  const clock = new ManualClock()
  const log: string[] = []
  const failing: { reason: string | undefined } = { reason: undefined }
  const closing = gate()
  const node = {
    services: { clock, settings: { backoffMs: 100, backoffMsMax: 400 }, random: { next: () => 0 } },
    recordStore: { reload: () => void log.push('reload') },
    software: {
      discard: () => void log.push('discard'),
      async start() {
        log.push('start')
        if (failing.reason !== undefined) throw new Error(failing.reason)
      },
    },
    isEnding: false,
    async close() {
      log.push('close')
      await closing.pass()
    },
    report: (phase: string, target: null, reason: string) => void log.push(`${phase} ${target}: ${reason}`),
    restarted: () => void log.push('restarted'),
  }
  const restart = new NodeRestart(node as unknown as RestartingNode)
  return { clock, log, failing, closing, node, restart, done: () => log.splice(0) }
}

test('a node closes, forgets its object, and starts it from what is on disk', async (t) => {
  const { restart, closing, clock, done } = open()
  t.false(restart.isRunning)
  restart.begin()
  t.true(restart.isRunning)
  await turns(clock)
  t.deepEqual(done(), ['close'])
  closing.open()
  await restart.ended()
  t.false(restart.isRunning)
  t.deepEqual(done(), ['discard', 'discard', 'reload', 'start', 'restarted'])
})

test('a crash during a restart begins no other one, and whoever waits for the restart waits for its end', async (t) => {
  const { restart, closing, clock, done } = open()
  restart.begin()
  restart.begin()
  let isOver = false
  const over = restart.ended().then(() => (isOver = true))
  await turns(clock)
  t.false(isOver)
  closing.open()
  await over
  t.is(done().filter((entry) => entry === 'start').length, 1)
})

test('an object that does not start is told of with its reason, and tried again less and less often', async (t) => {
  const { restart, closing, failing, clock, done } = open()
  closing.open()
  failing.reason = 'no port'
  restart.begin()
  await turns(clock)
  t.deepEqual(done(), ['close', 'discard', 'discard', 'reload', 'start', 'failed null: no port'])
  for (const pauseMs of [100, 200, 400, 400]) {
    await turns(clock, pauseMs - 1)
    t.deepEqual(done(), [])
    await turns(clock, 1)
    t.deepEqual(done(), ['discard', 'reload', 'start', 'failed null: no port'])
  }
  failing.reason = undefined
  await turns(clock, 400)
  t.deepEqual(done(), ['discard', 'reload', 'start', 'restarted'])
})

test('a node that crashes again and again starts after a longer pause each time, until it has run for a while', async (t) => {
  const { restart, closing, clock, done } = open()
  closing.open()
  const crash = async () => {
    restart.begin()
    await turns(clock)
  }
  await crash()
  t.is(done().at(-1), 'restarted')
  for (const pauseMs of [100, 200, 400]) {
    await crash()
    t.deepEqual(done(), ['close', 'discard'])
    await turns(clock, pauseMs - 1)
    t.deepEqual(done(), [])
    await turns(clock, 1)
    t.is(done().at(-1), 'restarted')
  }
  await turns(clock, 399)
  await crash()
  t.deepEqual(done(), ['close', 'discard'])
  await turns(clock, 400)
  done()
  await turns(clock, 400)
  await crash()
  t.is(done().at(-1), 'restarted')
})

test('a node that has stopped for good is started no more', async (t) => {
  const { restart, closing, failing, node, clock, done } = open()
  restart.begin()
  await turns(clock)
  node.isEnding = true
  closing.open()
  await restart.ended()
  t.deepEqual(done(), ['close', 'discard'])
  node.isEnding = false
  failing.reason = 'no port'
  restart.begin()
  await turns(clock)
  node.isEnding = true
  await turns(clock, 1_000)
  t.false(restart.isRunning)
  t.is(done().filter((entry) => entry === 'start').length, 1)
})

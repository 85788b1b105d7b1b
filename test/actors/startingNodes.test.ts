/** Nodes on their way to serve while their host stops: S1 and S2 of actors/node/startingNodes.ts. */
import test from 'ava'
import type { Node } from '../../actors/node/node.js'
import { hostStoppedFault, type NodeStart, StartingNodes } from '../../actors/node/startingNodes.js'
import { codeOf, gate } from '../support/testSystem.js'

test('nodes that start are known until their start has ended, however it ends', async (t) => {
  const starting = new StartingNodes()
  const held = gate()
  const node = { id: 'n1' } as unknown as Node
  const one = starting.run('n1', async (start) => {
    start.made(node)
    await held.pass()
    return 'it serves'
  })
  const other = starting.run('n2', async () => {
    await held.pass()
    throw new Error('no state')
  })
  t.deepEqual(starting.ids, ['n1', 'n2'])
  t.true(starting.has('n1'))
  t.false(starting.has('n3'))
  t.deepEqual(starting.nodes, [node], 'the other has not come so far')
  held.open()
  t.is(await one, 'it serves')
  await t.throwsAsync(other, { message: 'no state' })
  t.deepEqual(starting.ids, [])
  await starting.stop()
})

test('when the host stops, those who wait for a start hear so at once (S1), and the host waits for the start (S2)', async (t) => {
  const starting = new StartingNodes()
  const held = gate()
  let start!: NodeStart
  let isOver = false
  const waiting = starting.run('n1', async (given) => {
    start = given
    await held.pass()
    isOver = true
    throw new Error('nobody hears of it')
  })
  t.false(start.isStopping)
  t.notThrows(() => start.check())
  t.is(await start.unlessStopped(Promise.resolve(5)), 5)
  let hasStopped = false
  const stopping = starting.stop().then(() => {
    hasStopped = true
  })
  t.is(await codeOf(waiting), 'unavailable.stopped')
  t.true(start.isStopping)
  t.throws(() => start.check(), { code: 'unavailable.stopped' })
  t.is(await codeOf(start.unlessStopped(new Promise(() => {}))), 'unavailable.stopped')
  t.false(hasStopped)
  held.open()
  await stopping
  t.true(isOver)
})

test('a fault of a stopped host says what it was stopped for, where there was something', (t) => {
  const cause = new Error('the disk is full')
  t.is(hostStoppedFault(cause).cause, cause)
  t.false('cause' in hostStoppedFault())
})

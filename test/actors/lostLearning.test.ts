/** A version that a node has learned can be lost with its commit while its upgrade goes on. */
import test from 'ava'
import { keys } from '../../core/model/nodeRecord.js'
import type { Write } from '../../core/ports/stateStore.js'
import { until } from '../support/eventually.js'
import { codeOf, gate, TestSystem } from '../support/testSystem.js'
import { NotesV1, tickerUpgrade, toV2, toV3 } from './notesClasses.js'
import { oneNode } from './oneNode.js'

const writes = (batch: readonly Write[], key: string) => batch.some(([written]) => written === key)

// It was `chain plan: no step to version 1`, a broken invariant.
test('an advance whose learning was lost learns again first, also while the version after it can’t be fetched', async (t) => {
  const system = await TestSystem.start(t)
  const host = await system.host('h1')
  const node = await host.node(NotesV1, 'n1')
  const disk = gate()
  let isFull = true
  host.state.beforeCommit = async (batch) => {
    if (!isFull) return
    if (writes(batch, 'n/n1')) await disk.pass()
    if (writes(batch, 'n/n1') || writes(batch, keys.manifest(2))) throw new Error('disk full')
  }
  await system.publish(tickerUpgrade())
  await until(() => disk.waiting === 1, 'version 1 is learned, and not yet on disk')
  await system.publish(toV2())
  disk.open()
  await until(() => host.events.filter(({ type }) => type === 'nodeFailed').length > 1, 'the node restarts')
  isFull = false
  await until(() => node.version === 2 || host.last('n1')?.phase === 'stalled', 'the upgrades end')
  t.is(host.last('n1')?.reason, null)
  t.is(node.version, 2)
})

// Nothing asked for it again, until somebody called that version: the node did not hear of the undo.
test('a manifest that could not be kept on a full disk is fetched again', async (t) => {
  const system = await TestSystem.start(t, { askServerMs: 20 })
  const host = await system.host('h1')
  const node = await host.node(NotesV1, 'n1')
  await system.publish(toV2(), (draft) => ({ ...draft, runtime: 99 }))
  await host.untilPhase('n1', 'rejected')
  let failed = 0
  host.state.beforeCommit = (batch) => {
    if (writes(batch, keys.manifest(2)) && ++failed === 1) throw new Error('disk full')
  }
  await system.desk.running.operator.undo()
  await until(() => host.last('n1')?.phase === 'current', 'the node goes past the upgrade that is undone')
  t.is(failed, 2)
  await node.reached(2)
})

// The node named a slot that was not on disk, and could never start again.
test('a record that is written after a loss, before the node restarts, is not made of what was lost', async (t) => {
  const one = await oneNode(t, { backoffMs: 500, backoffMsMax: 500 })
  const { host, node, system } = one
  await system.publish(toV2({ beforeTransform: () => Promise.reject(new Error('no form')) }))
  await host.untilPhase('n1', 'stalled')
  t.is(await one.v0.add('x'), 1)
  // A second loss soon after the first: the restart waits a while.
  host.state.failNextCommit(new Error('disk full'))
  t.is(await codeOf(one.v0.add('lost')), 'unavailable.storage')
  t.is(await one.v0.add('y'), 2)
  host.state.beforeCommit = (batch) => {
    if (!writes(batch, 'n/n1')) return
    host.state.beforeCommit = undefined
    throw new Error('disk full')
  }
  await system.publish(toV3())
  await until(() => host.events.filter(({ type }) => type === 'nodeFailed').length > 1, 'what was learned is lost')
  let isWritten = false
  host.state.afterCommit = (batch) => {
    isWritten ||= writes(batch, 'n/n1')
  }
  node.retry()
  await until(() => isWritten, 'the retry is on disk')
  const again = await system.host('h2', { state: host.kill() })
  await again.node(NotesV1, 'n1')
  t.deepEqual((await one.v0.all())[0], 'x')
})

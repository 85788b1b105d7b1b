/** What a node has learned can be lost with its commit while its upgrade goes on. */
import test from 'ava'
import { keys } from '../../core/nodeRecord.js'
import type { Write } from '../../core/ports/stateStore.js'
import { until } from '../support/eventually.js'
import { gate, TestSystem } from '../support/testSystem.js'
import { NotesV1, tickerUpgrade, toV2 } from './notes.js'

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

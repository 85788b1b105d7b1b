/**
 * A stalled upgrade, and a node that comes back from disk: the reason stays where an operator sees it (C10).
 */
import test from 'ava'
import type { Write } from '../../core/ports/stateStore.js'
import { until } from '../support/eventually.js'
import { codeOf } from '../support/testSystem.js'
import { NotesV1, toV2 } from './notesClasses.js'
import { oneNode } from './oneNode.js'

const writes = (batch: readonly Write[], key: string) => batch.some(([written]) => written === key)
const failing = () => toV2({ beforeTransform: () => Promise.reject(new Error('no form')) })

// The node came back as `current`; its upgrade was stalled, and nobody could see it or ask it to try again.
test('a stalled upgrade whose record is lost with its commit is stalled still when the node is back, with the reason', async (t) => {
  const one = await oneNode(t)
  let failures = 1
  one.host.running.observe((event) => {
    if (event.type !== 'phase' || event.phase !== 'stalled') return
    one.host.state.beforeCommit = (batch) => {
      if (writes(batch, 'n/n1') && failures-- > 0) throw new Error('disk full')
    }
  })
  await one.system.publish(failing())
  await until(() => one.host.events.some(({ type }) => type === 'nodeFailed'), 'the node restarts')
  t.is(await codeOf(one.v0.add('x')), 'answered 1')
  await one.host.untilPhase('n1', 'stalled')
  const row = await until(async () => {
    const [found] = await one.system.database.nodes('notes')
    return found?.phase === 'stalled' ? found : undefined
  }, 'the database knows')
  t.regex(row?.reason ?? '', /no form/)
  const again = await one.system.host('h2', { state: one.host.kill() })
  await again.node(NotesV1, 'n1')
  t.is(again.last('n1')!.phase, 'stalled')
})

// The row in the upgrade database had `stalled` without a reason after any restart.
test('a stalled node that restarts tells the reason whenever it tells that it is stalled', async (t) => {
  const one = await oneNode(t)
  await one.system.publish(failing())
  await one.host.untilPhase('n1', 'stalled')
  t.is(await codeOf(one.v0.add('kept')), 'answered 1')
  one.host.state.failNextCommit(new Error('disk full'))
  t.is(await codeOf(one.v0.add('lost')), 'unavailable.storage')
  t.is(await codeOf(one.v0.add('x')), 'answered 2')
  const again = await one.system.host('h2', { state: one.host.kill() })
  await again.node(NotesV1, 'n1')
  const told = [...one.host.events, ...again.events].flatMap((event) =>
    event.type === 'phase' && event.phase === 'stalled' ? [event.reason ?? ''] : [],
  )
  t.true(told.length >= 3)
  for (const reason of told) t.regex(reason, /no form/)
})

test('a retry that was ordered once is heeded once, however often the host restarts', async (t) => {
  let tries = 0
  const one = await oneNode(t, { controlsMs: 20 })
  const { operator } = one.system.desk.running
  const upgrade = toV2({
    beforeTransform: () => {
      tries++
      throw new Error('no form')
    },
  })
  await one.system.publish(upgrade)
  await one.host.untilPhase('n1', 'stalled')
  await operator.retry(1)
  await until(() => tries === 2 && one.host.last('n1')!.phase === 'stalled', 'it is retried')
  let host = one.host
  for (const name of ['h2', 'h3']) {
    // Answered after its commit: what the node's record says by now is on disk.
    await one.v0.add('x')
    host = await one.system.host(name, { state: host.kill() })
    await host.node(NotesV1, 'n1')
    await host.untilPhase('n1', 'stalled')
  }
  // The next order is another one: if the old one were heeded, it would have been by then.
  await operator.retry(1)
  await until(() => tries === 3 && host.last('n1')!.phase === 'stalled', 'it is retried once more')
  t.is(tries, 3)
})

test('a retry that was ordered before a node stalled is not meant for it', async (t) => {
  let tries = 0
  const one = await oneNode(t, { controlsMs: 20 })
  const { operator } = one.system.desk.running
  await operator.hold('n1', 'first the order')
  await one.system.publish(
    toV2({
      beforeTransform: () => {
        tries++
        throw new Error('no form')
      },
    }),
  )
  await one.host.untilPhase('n1', 'scheduled')
  await operator.retry(1)
  await operator.release('n1')
  await one.host.untilPhase('n1', 'stalled')
  await operator.retry(1)
  await until(() => tries === 2 && one.host.last('n1')!.phase === 'stalled', 'the order after it is heeded')
  t.is(tries, 2)
})

/** Timers are sends to oneself: they leave with the commit of the command that sets them (C12). */
import test from 'ava'
import { command, NodeObject, query } from '../../index.js'
import { systemClock } from '../../transports/systemClock.js'
import { until } from '../support/eventually.js'
import { codeOf, gate, TestSystem } from '../support/testSystem.js'

/** Rings after all that were set before it on the hosts' clock for no longer. */
function laterTimer(): Promise<void> {
  return new Promise((resolve) => systemClock.after(2, resolve))
}

class Alarm extends NodeObject<{ set: number; rung: number }> {
  static override readonly className = 'Alarm.v1'
  static override initial() {
    return { set: 0, rung: 0 }
  }

  @command set(): void {
    this.state.set++
    this.after(0, 'ring')
  }

  @command async setAndFail(): Promise<void> {
    this.state.set++
    this.after(0, 'ring')
    // The timer comes while the command runs, and waits for its turn.
    await laterTimer()
    throw new Error('not set after all')
  }

  @command ring(): void {
    this.state.rung++
  }

  @query look(): { set: number; rung: number } {
    return { ...this.state }
  }
}

// A timer rang whose command was lost.
test('a timer of a command that failed, or whose commit was lost, never rings', async (t) => {
  const system = await TestSystem.start(t)
  const host = await system.host('h1')
  await host.node(Alarm, 'a1')
  const alarm = system.desk.ref(Alarm, 'a1', { version: 0 })
  t.is(await codeOf(alarm.setAndFail()), 'application.error')
  t.deepEqual(await alarm.look(), { set: 0, rung: 0 })
  // The disk takes so long that a timer set at once would have rung before the commit is lost.
  const disk = gate()
  host.state.beforeCommit = () => disk.pass()
  const lost = codeOf(alarm.set())
  await until(() => disk.waiting === 1, 'the commit waits')
  await laterTimer()
  host.state.beforeCommit = undefined
  disk.fail(new Error('disk full'))
  t.is(await lost, 'unavailable.storage')
  t.deepEqual(await alarm.look(), { set: 0, rung: 0 })
  await alarm.set()
  await until(async () => (await alarm.look()).rung > 0, 'the timer that was set rings')
  t.deepEqual(await alarm.look(), { set: 1, rung: 1 })
})

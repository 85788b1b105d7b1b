/**
 * Calls that `start()` and `stop()` make, and that come back: nobody waits for a node that
 * waits for itself (C2).
 */
import test, { type ExecutionContext } from 'ava'
import { command, defineUpgrade, eagerly, NodeObject, notNeeded, query, upgradeClass } from '../../index.js'
import { until } from '../support/eventually.js'
import { codeOf, TestSystem } from '../support/testSystem.js'

type Way = 'start' | 'startAgain' | 'stop' | 'unawaited'
/** The outcomes of the calls that start() and stop() made, by node. */
const heard = new Map<string, string>()

function guests(reentrant: boolean) {
  class Porter extends NodeObject<Record<string, never>> {
    static override readonly className = `Porter.${reentrant}`
    static override readonly calls = () => [GuestV1]
    static override initial() {
      return {}
    }
    @command async welcome(guest: string): Promise<string> {
      return await this.ref(GuestV1, guest).name()
    }
    /** While this runs, the guest's object is made anew, and asks for `greet`. */
    @command async provoke(guest: string): Promise<string> {
      return await codeOf(this.ref(GuestV1, guest).failAfterWriting())
    }
    @command greet(): string {
      return 'hello'
    }
  }
  class GuestV1 extends NodeObject<{ written: number }> {
    static override readonly className: string = `Guest.${reentrant}.v1`
    static override readonly reentrant = reentrant
    static override readonly calls = () => [Porter]
    static override initial() {
      return { written: 0 }
    }
    get #way(): Way {
      return this.nodeId.split('-')[1] as Way
    }
    override async start(): Promise<void> {
      const porter = this.ref(Porter, 'porter')
      const isFirst = !heard.has(this.nodeId)
      if (isFirst) heard.set(this.nodeId, 'nothing')
      if (this.#way === 'unawaited') void codeOf(porter.welcome(this.nodeId)).then((what) => heard.set(this.nodeId, what))
      else if (this.#way === 'start') heard.set(this.nodeId, await codeOf(porter.welcome(this.nodeId)))
      else if (this.#way === 'startAgain' && !isFirst) heard.set(this.nodeId, await codeOf(porter.greet()))
    }
    override async stop(): Promise<void> {
      if (this.#way === 'stop' && heard.get(this.nodeId) === 'nothing')
        heard.set(this.nodeId, await codeOf(this.ref(Porter, 'porter').welcome(this.nodeId)))
    }
    @query name(): string {
      return this.nodeId
    }
    @command failAfterWriting(): void {
      this.state.written++
      throw new Error('after it has written')
    }
  }
  class GuestV2 extends GuestV1 {
    static override readonly className = `Guest.${reentrant}.v2`
  }
  return { Porter, GuestV1, GuestV2 }
}

/** Calls that wait for one another would do so for longer than the test may take. */
async function open(t: ExecutionContext, reentrant: boolean, way: Way) {
  const made = guests(reentrant)
  const system = await TestSystem.start(t, { callDeadlineMs: 600_000, limit: { percent: 100 } })
  await (await system.host('b')).node(made.Porter, 'porter')
  const id = `${reentrant}-${way}`
  const node = await (await system.host('a')).node(made.GuestV1, id)
  const porter = system.desk.ref(made.Porter, 'porter', { version: 0 })
  const guest = system.desk.ref(made.GuestV1, id, { version: 0 })
  return { ...made, system, id, node, porter, guest }
}

for (const reentrant of [false, true]) {
  const kind = reentrant ? 'of a re-entrant class' : 'of any class'

  test(`a call that comes back to a node ${kind} whose start() waits for it is refused at once`, async (t) => {
    const { id, guest } = await open(t, reentrant, 'start')
    t.is(heard.get(id), 'protocol.call-cycle')
    t.is(await guest.name(), id)
  })

  test(`a call that comes back to a node ${kind} whose start() did not wait for it is answered`, async (t) => {
    const { id } = await open(t, reentrant, 'unawaited')
    await until(() => heard.get(id) !== 'nothing', 'the porter has answered')
    t.is(heard.get(id), `answered "${id}"`)
  })

  test(`a start() after a command that failed is made for that command: a node ${kind} calls nobody that waits for it`, async (t) => {
    const { id, porter } = await open(t, reentrant, 'startAgain')
    t.is(await porter.provoke(id), 'application.error')
    t.is(heard.get(id), 'protocol.call-cycle')
  })

  test(`a call that comes back to a node ${kind} whose stop() waits for it is refused at once`, async (t) => {
    const { id, node, system, GuestV1, GuestV2 } = await open(t, reentrant, 'stop')
    const upgrade = upgradeClass({
      oldClass: GuestV1,
      newClass: GuestV2,
      futureSO: notNeeded,
      pastSO: notNeeded,
      transform: (old) => old,
      schedule: eagerly(),
    })
    await system.publish(defineUpgrade({ title: 'Other guests', classUpgrades: [upgrade] }))
    await node.reached(1)
    t.is(heard.get(id), 'protocol.call-cycle')
  })
}

/** Versions become final while an undo of what they brought is still before some nodes. */
import test from 'ava'
import { askedAgain } from '../support/askServer.js'
import { until } from '../support/eventually.js'
import { codeOf, gate, TestSystem } from '../support/testSystem.js'
import { NotesV1, toV2 } from './notesClasses.js'
import { ShelfV1, toShelfV2 } from './shelfClasses.js'

for (const isLater of [false, true]) {
  const which = isLater ? 'one that came before the newest' : 'the newest upgrade'
  test(`a node keeps what the undo of ${which} needs, though the node's own version is final before it goes back`, async (t) => {
    const deaths = { deathDelay: 20, deathRound: 5 }
    const system = await TestSystem.start(t, { askServerMs: 10, limit: { percent: 50 } }, deaths)
    const { operator } = system.desk.running
    const host = await system.host('h1')
    const nodes = [await host.node(NotesV1, 'n1'), await host.node(NotesV1, 'n2')]
    if (isLater) nodes.push(await host.node(ShelfV1, 's1'))
    const call = (id: string, version: number, method: string, ...args: readonly unknown[]) =>
      operator.call({ node: id }, method, args, { version })
    for (const id of ['n1', 'n2']) await call(id, 0, 'setMood', 'merry')
    const back = gate()
    await system.publish(toV2({ beforeInverse: () => back.pass() }))
    const newest = isLater ? await system.publish(toShelfV2()) : 1
    await Promise.all(nodes.map((node) => node.reached(newest)))
    t.is(await operator.undo({ version: 1 }), newest + 1)
    await until(() => back.waiting === 1, 'one of them goes back')
    const waits = host.last('n1')!.phase === 'transforming' ? 'n2' : 'n1'
    await until(async () => (await codeOf(call(waits, newest - 1, 'all'))) === 'version.dead', 'the version before is dead')
    t.is(await operator.finalize(newest), newest)
    await askedAgain(system, host)
    t.is(await call(waits, newest + 1, 'mood'), 'merry')
    back.open()
    await Promise.all(nodes.map((node) => node.reached(newest + 1)))
    for (const id of ['n1', 'n2']) t.is(await call(id, newest + 1, 'mood'), 'merry')
  })
}

/**
 * The newest version that is heard of is anybody's word until its manifest is verified: one wrong answer
 * changes nothing for good.
 */
import 'reflect-metadata'
import test from 'ava'
import { versionMax } from '../../core/base/ids.js'
import { until } from '../support/eventually.js'
import { answerInPlaceOfServer } from '../support/impersonatedServer.js'
import { codeOf, TestSystem } from '../support/testSystem.js'
import { NotesV1, toV2 } from './notesClasses.js'

test('a version that somebody made up is forgotten with the next answer, and the next upgrade is learned', async (t) => {
  const system = await TestSystem.start(t, { askServerMs: 200 })
  const host = await system.host('h')
  await host.node(NotesV1, 'n1')
  const head = { version: versionMax, digest: 'a'.repeat(64), dead: 0, final: 0, directives: 0 }
  const liar = answerInPlaceOfServer(t, system, ({ method }) => (method === 'head' ? head : []))
  await until(() => host.running.status().newestVersion === versionMax || liar.answered.count > 3, 'it is told')
  t.true(liar.answered.count > 0)
  liar.leave()
  await until(() => host.running.status().newestVersion === 0, 'it hears the truth')
  const at5 = system.desk.ref(NotesV1, 'n1', { version: 5, deadline: '5s' })
  t.is(await codeOf(at5.all()), 'version.unknown')
  await system.publish(toV2())
  await until(async () => (await system.database.nodes()).find(({ nodeId }) => nodeId === 'n1')?.version === 1, 'it is upgraded')
})

test('manifests are asked for a page at a time: what is not verified is not gathered', async (t) => {
  const system = await TestSystem.start(t, { askServerMs: 200 })
  const host = await system.host('h')
  await host.node(NotesV1, 'n1')
  const asked: number[][] = []
  const manifest = new Uint8Array(10_000)
  const liar = answerInPlaceOfServer(t, system, ({ method, args }) => {
    if (method === 'head') return { version: 1_000_000, digest: 'a'.repeat(64), dead: 0, final: 0, directives: 0 }
    if (method !== 'manifests') return null
    asked.push(args as number[])
    return Array.from({ length: (args[1] as number) - (args[0] as number) + 1 }, () => [manifest, null])
  })
  await until(() => asked.length > 0, 'it asks')
  await until(() => host.running.status().nodes[0]?.phase === 'rejected' || asked.length > 3, 'it sees that these are none')
  liar.leave()
  t.true(asked.every(([from, to]) => from === 1 && to === 16))
})

/**
 * To forget a node is an order like the others: signed, carried out once by the upgrade server,
 * and in the audit.
 */
import test, { type ExecutionContext } from 'ava'
import { Fault } from '../../core/base/fault.js'
import { decodeAuditEntry } from '../../core/control/audit.js'
import { decode, encodeFault, encodeReply } from '../../core/wire/codec.js'
import type { CallEnvelope } from '../../core/wire/envelope.js'
import { subjectsOf } from '../../core/wire/subjects.js'
import { memoryTransport } from '../../transports/memory/index.js'
import { alice } from '../support/signedManifests.js'
import { TestSystem } from '../support/testSystem.js'
import { NotesV1 } from './notesClasses.js'

const nodesOf = async ({ database }: TestSystem) => (await database.nodes()).map(({ nodeId }) => nodeId)

test('a node is forgotten by a signed directive, and the audit says by whom', async (t) => {
  const system = await TestSystem.start(t, {}, {}, { trust: [alice.publicKey], upgrader: alice })
  const host = await system.host('h1')
  await host.node(NotesV1, 'n1')
  host.kill()
  await system.desk.running.operator.forget('n1')
  t.deepEqual(await nodesOf(system), [])
  t.is(await system.database.directives(), 1)
  const entries = (await system.database.audit(1, 9)).map(decodeAuditEntry)
  t.like(entries, [{ outcome: 'done', by: [alice.publicKey], what: { act: 'order', words: 'forget n1' } }])
})

test('where upgraders sign, nobody forgets a node without a signature', async (t) => {
  const system = await TestSystem.start(t, {}, {}, { trust: [alice.publicKey] })
  await (await system.host('h1')).node(NotesV1, 'n1')
  await t.throwsAsync(system.desk.running.operator.forget('n1'), { code: 'upgrade.signature' })
  t.deepEqual(await nodesOf(system), ['n1'])
})

/** Upgrade servers of release 0.1.0, which do not know the order. */
async function withOldServers(t: ExecutionContext): Promise<TestSystem> {
  const system = await TestSystem.start(t)
  await (await system.host('h1')).node(NotesV1, 'n1')
  await system.database.setControl({ kind: 'hold', nodeId: 'n1', reason: '', since: 0 })
  await system.stopServer()
  const { server, install } = subjectsOf(system.name)
  const transport = memoryTransport(system.broker)
  t.teardown(() => transport.close())
  const replier = { node: 'upgrade-server', className: 'UpgradeServer', version: 0 }
  const head = { version: 0, digest: null, dead: 0, final: 0, directives: 0 }
  const unknown = new Fault('config.invalid', 'directive: it orders nothing that there is')
  for (const subject of [server, install])
    transport.subscribe(subject, ({ payload, replyTo }) => {
      for (const envelope of decode(payload)) {
        const { label, seq } = envelope as CallEnvelope
        const answer =
          subject === server
            ? encodeReply(label, seq, head, replier, 0)
            : encodeFault(label, seq, unknown, replier, transport.payloadBytesMax)
        transport.publish(replyTo!, answer)
      }
    })
  return system
}

test('beside upgrade servers that do not know the order, a login that may removes the node itself', async (t) => {
  const system = await withOldServers(t)
  await system.desk.running.operator.forget('n1')
  t.deepEqual(await nodesOf(system), [])
  t.deepEqual(await system.database.controls(), [])
})

test('a login that may not is told in one line what to do', async (t) => {
  const system = await withOldServers(t)
  system.desk.changeDatabase({ forget: () => Promise.reject(new Error('NOPERM')) })
  await t.throwsAsync(system.desk.running.operator.forget('n1'), {
    code: 'config.invalid',
    message: /^node n1 is not forgotten: the upgrade server is of an older release.*: update the upgrade servers$/,
  })
  t.deepEqual(await nodesOf(system), ['n1'])
})

/** A transport that does not let a host listen: the host says so, takes no node, and listens once it may. */
import test from 'ava'
import { event, hears, NodeObject, query, reasonsNotReady } from '../../index.js'
import { until } from '../support/eventually.js'
import { codeOf, TestSystem } from '../support/testSystem.js'

const rang = event<[]>('rang')

class BellV1 extends NodeObject<object> {
  static override readonly className = 'Bell.v1'
  static override initial() {
    return {}
  }
  @hears(rang) ring(): void {}
  @query ok(): string {
    return 'ok'
  }
}

const subjects: Record<string, (system: string, inbox: string, serversInbox: string) => string> = {
  'the subject of the node': (system) => `theseus.${system}.node.bell`,
  'the subject of its service': (system) => `theseus.${system}.service.bell`,
  'the subject of an event that it hears': (system) => `theseus.${system}.event.rang`,
  'the subject of events that it does not know yet': (system) => `theseus.${system}.event._introduced`,
  'the subject of announcements': (system) => `theseus.${system}.upgrades`,
  'the inbox of answers': (_, inbox) => `${inbox}.*`,
  'the inbox of what upgrade servers answer': (_, _nodes, inbox) => `${inbox}.*`,
}

for (const [what, subjectOf] of Object.entries(subjects)) {
  test(`a host that may not listen on ${what} takes no node, is not ready, and listens once it may`, async (t) => {
    const system = await TestSystem.start(t)
    const host = await system.host('h')
    const inboxes = host.transport.subscribed.filter((subject) => subject.startsWith('_INBOX'))
    t.is(new Set(inboxes).size, 2)
    const [nodes, servers] = inboxes.map((answers) => answers.slice(0, -2))
    const subject = subjectOf(system.name, nodes!, servers!)
    await host.node(BellV1, 'bell')
    const bell = system.desk.ref(BellV1, 'bell', { version: 0 })
    t.is(await bell.ok(), 'ok')
    t.true(host.transport.subscribed.includes(subject), `${subject} is among ${host.transport.subscribed.join(', ')}`)

    // Taken away while the node runs.
    host.transport.deny([subject])
    t.deepEqual(host.running.status().refused, [subject])
    const reasons = reasonsNotReady(host.running.status())
    t.true(
      reasons.some((reason) => reason.includes(subject) && reason.includes('permissions')),
      reasons.join(),
    )
    await host.nodes.get('bell')!.stop()
    const error = await t.throwsAsync(host.node(BellV1, 'bell'))
    t.true(error?.message.includes(subject), error?.message)
    t.deepEqual(host.running.status().nodes, [])

    host.transport.deny([])
    await until(() => host.running.status().refused.length === 0, 'it listens again')
    t.deepEqual(reasonsNotReady(host.running.status()), [])
    await host.node(BellV1, 'bell')
    t.is(await bell.ok(), 'ok')
  })
}

test('an upgrade server that may not listen on its subjects does not start', async (t) => {
  const system = await TestSystem.start(t)
  for (const subject of ['server', 'install', 'teach']) {
    system.denied = [`theseus.${system.name}.${subject}`]
    t.is(await codeOf(system.startServer()), 'config.invalid')
  }
})

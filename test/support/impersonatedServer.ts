/** Somebody who answers in the upgrade server's name. */
import type { ExecutionContext } from 'ava'
import { decode, encodeReply } from '../../core/wire/codec.js'
import type { CallEnvelope } from '../../core/wire/envelope.js'
import { subjectsOf } from '../../core/wire/subjects.js'
import { memoryTransport } from '../../transports/memory/index.js'
import type { TestSystem } from './testSystem.js'

const replier = { node: 'upgrade-server', className: 'UpgradeServer', version: 0 }

/** Answers every question to the upgrade server before it does, until `leave`. */
export function answerInPlaceOfServer(t: ExecutionContext, system: TestSystem, answer: (call: CallEnvelope) => unknown) {
  const transport = memoryTransport(system.broker)
  t.teardown(() => transport.close())
  const answered = { count: 0 }
  system.broker.filter = ({ message, to }) => (message.subject === server && to !== transport.name ? 'drop' : 'deliver')
  const server = subjectsOf(system.name).server
  const listening = transport.subscribe(server, ({ payload, replyTo }) => {
    for (const envelope of decode(payload)) {
      const call = envelope as CallEnvelope
      answered.count++
      transport.publish(replyTo!, encodeReply(0, call.seq, answer(call), replier, 0))
    }
  })
  const leave = () => {
    listening.unsubscribe()
    system.broker.filter = undefined
  }
  return { answered, leave }
}

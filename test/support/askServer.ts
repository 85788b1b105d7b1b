/** Asks a test system's upgrade server as anybody can who reaches it. */
import { decode, encodeCall } from '../../core/wire/codec.js'
import { kinds } from '../../core/wire/envelope.js'
import { subjectsOf } from '../../core/wire/subjects.js'
import { memoryTransport } from '../../transports/memory/index.js'
import { until } from './eventually.js'
import type { TestHost, TestSystem } from './testSystem.js'

export const question = {
  kind: kinds.call,
  label: 0,
  seq: 1,
  deadlineMs: 5000,
  caller: 'stranger',
  incarnation: 1,
  callerClass: 'Client',
  callerVersion: 0,
  expects: null,
  path: null,
  trace: null,
  together: false,
} as const

/** The code of its fault, or `answered` and the JSON of its answer. */
export function askServer(
  { broker, name }: Pick<TestSystem, 'broker' | 'name'>,
  subject: 'server' | 'install' | 'teach',
  method: string,
  ...args: readonly unknown[]
): Promise<string> {
  const transport = memoryTransport(broker)
  const inbox = transport.newInbox()
  const answer = new Promise<string>((resolve) => {
    transport.subscribe(inbox, ({ payload }) => {
      const envelope = decode(payload)[0]!
      if (envelope.kind === kinds.fault) resolve(envelope.fault.code)
      else if (envelope.kind === kinds.reply) resolve(`answered ${JSON.stringify(envelope.value)}`)
    })
  })
  const call = encodeCall({ ...question, method, args })
  transport.publish(subjectsOf(name)[subject], call, inbox)
  return answer
}

/** Resolves when a host has asked the upgrade server, has been answered, and asks again. */
export async function askedAgain({ name }: TestSystem, { transport }: TestHost): Promise<void> {
  const { server } = subjectsOf(name)
  const { publish } = transport
  let questions = 0
  transport.publish = (subject, ...rest) => {
    if (subject === server) questions++
    publish.call(transport, subject, ...rest)
  }
  await until(() => questions >= 3, 'the host has asked again')
  transport.publish = publish
}

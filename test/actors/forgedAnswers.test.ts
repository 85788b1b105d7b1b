/**
 * Somebody answers calls that it was not asked, or has its own calls run inside one of others. It has what a
 * host has: it is called too, so it knows its caller's inbox, the numbers of the calls that it got itself,
 * and the ids of calls that it made.
 */
import 'reflect-metadata'
import test, { type ExecutionContext } from 'ava'
import { Fault } from '../../core/base/fault.js'
import { decode, encodeCall, encodeFault, encodeReply } from '../../core/wire/codec.js'
import { type CallEnvelope, callId, kinds } from '../../core/wire/envelope.js'
import { subjectsOf } from '../../core/wire/subjects.js'
import { command, NodeObject, query } from '../../index.js'
import { until } from '../support/eventually.js'
import { codeOf, gate, TestSystem } from '../support/testSystem.js'

const held = new Map<string, ReturnType<typeof gate>>()

class Clerk extends NodeObject<{ served: string[] }> {
  static override readonly className = 'Clerk.v1'
  static override initial() {
    return { served: [] as string[] }
  }
  @command async serve(what: string): Promise<string> {
    this.state.served.push(what)
    await held.get(this.nodeId)?.pass()
    return `true ${what}`
  }
  @query served(): string[] {
    return this.state.served
  }
}

const replier = { node: 'c', className: 'Clerk.v1', version: 0 }
const forged = 'forged'

/**
 * The desk has ten calls of `c` open, each of which is in a message of its own, and has called `b` before,
 * meanwhile and afterwards.
 */
async function deskThatCalls(t: ExecutionContext) {
  const system = await TestSystem.start(t)
  const [mine, others] = [await system.host('b'), await system.host('c')]
  await mine.node(Clerk, 'b')
  await others.node(Clerk, 'c')
  held.set('c', gate())
  t.teardown(() => held.delete('c'))
  /** Those that `b` got. */
  const got: { readonly envelope: CallEnvelope; readonly replyTo: string }[] = []
  const { node } = subjectsOf(system.name)
  system.broker.filter = ({ message: { subject, replyTo, payload } }) => {
    if (subject === node('b')) for (const envelope of decode(payload) as CallEnvelope[]) got.push({ envelope, replyTo: replyTo! })
    return 'deliver'
  }
  const [b, c] = ['b', 'c'].map((id) => system.desk.ref(Clerk, id, { deadline: '20s' }))
  await b!.serve('first')
  const open: Promise<string>[] = []
  for (let i = 0; i < 10; i++) {
    open.push(c!.serve(`call ${i}`))
    await b!.serve(`between ${i}`)
  }
  await until(() => held.get('c')!.waiting === 1, 'c has begun with the first')
  return { system, mine, c: c!, open, got }
}

/** Numbers near those that it knows, and those that a count would have. */
function guesses(known: readonly number[]): readonly number[] {
  const near = known.flatMap((number) => Array.from({ length: 128 }, (_, i) => number + i - 64))
  const counted = Array.from({ length: 2_000 }, (_, i) => i)
  const steps = known.slice(1).flatMap((number, i) => [2 * number - known[i]!, (number + known[i]!) / 2])
  return [...new Set([...near, ...counted, ...steps])].filter((number) => Number.isSafeInteger(number) && number >= 0)
}

test('a host that is called can’t answer its caller’s calls of others, nor have them made twice', async (t) => {
  const { system, mine, c, open, got } = await deskThatCalls(t)
  const own = new Set(got.map(({ envelope }) => envelope.seq))
  const again = new Fault('unavailable.overloaded', 'call again')
  for (const { replyTo } of got) {
    // On the reply subject that it was given, which NATS lets it publish to.
    const guessed = guesses([...own]).filter((seq) => seq !== 0)
    for (let from = 0; from < guessed.length; from += 500) {
      const some = guessed.slice(from, from + 500)
      mine.transport.publish(replyTo, Buffer.concat(some.map((seq) => encodeFault(0, seq, again, replier))))
      mine.transport.publish(replyTo, Buffer.concat(some.map((seq) => encodeReply(0, seq, forged, replier, 0))))
    }
    // On reply subjects of other messages, where NATS lets it.
    const at = replyTo.lastIndexOf('.') + 1
    for (const token of guesses([Number.parseInt(replyTo.slice(at), 36)])) {
      const subject = replyTo.slice(0, at) + token.toString(36)
      mine.transport.publish(subject, encodeFault(0, 0, again, replier))
    }
    await mine.transport.flush()
  }
  held.get('c')!.open()
  t.deepEqual(
    await Promise.all(open),
    open.map((_, i) => `true call ${i}`),
  )
  t.deepEqual(
    await c.served(),
    open.map((_, i) => `call ${i}`),
  )
  t.is(system.desk.running.status().openCalls, 0)
})

class Vault extends NodeObject<{ log: string[] }> {
  static override readonly className = 'Vault.v1'
  static override readonly reentrant = true
  static override readonly calls = () => [Clerk]
  static override initial() {
    return { log: [] as string[] }
  }
  @command async open(): Promise<void> {
    this.state.log.push('opens')
    await this.ref(Clerk, `clerk-${this.nodeId}`).serve('a key')
    this.state.log.push('open')
  }
  @command note(text: string): void {
    this.state.log.push(text)
  }
  @query log(): string[] {
    return this.state.log
  }
}

test('only those whom a call of a re-entrant class calls can have a call run inside it: its id is not enough', async (t) => {
  const system = await TestSystem.start(t)
  const host = await system.host('h')
  await host.node(Vault, 'v')
  await host.node(Clerk, 'clerk-v')
  held.set('clerk-v', gate())
  t.teardown(() => held.delete('clerk-v'))
  const { node } = subjectsOf(system.name)
  const calls = new Map<string, CallEnvelope>()
  system.broker.filter = ({ message: { subject, payload } }) => {
    for (const id of ['v', 'clerk-v']) if (subject === node(id)) calls.set(id, decode(payload)[0] as CallEnvelope)
    return 'deliver'
  }
  const vault = system.desk.ref(Vault, 'v', { deadline: '20s' })
  const opens = vault.open()
  await until(() => held.get('clerk-v')!.waiting === 1, 'the vault waits for the clerk')
  // The desk made the call, so it knows its id; of what the vault has called for it, it knows nothing.
  const id = callId(calls.get('v')!)
  const answers: string[] = []
  const { transport } = system.desk
  transport.subscribe('_INBOX.thief.*', ({ payload }) => {
    for (const envelope of decode(payload))
      answers.push(envelope.kind === kinds.fault ? envelope.fault.code : String(envelope.kind))
  })
  let seq = 0
  const sneak = (path: readonly string[], of: Partial<CallEnvelope> = {}) => {
    const envelope: CallEnvelope = {
      ...{ kind: kinds.call, label: 0, seq: ++seq, method: 'note', args: ['sneaks in'], deadlineMs: 20_000, caller: 'thief' },
      ...{ incarnation: 1, callerClass: 'Thief.v1', callerVersion: 0, expects: null, path, trace: null, together: false, ...of },
    }
    transport.publish(node('v'), encodeCall(envelope), `_INBOX.thief.${seq}`)
  }
  for (const path of [[id, 'v/1/1'], [id], [id, 'v/1/7', 'c/1/1'], [`${id}/1`, 'v/1/1'], [`${id}/`, 'v/1/1']]) sneak(path)
  sneak([id], { caller: 'v' })
  const sneaked = 6
  const refused = () => answers.filter((code) => code === 'protocol.call-cycle').length
  // One names no call of the vault at all: it takes its turn.
  await until(() => refused() === sneaked - 1, 'all that would run inside are refused')
  held.get('clerk-v')!.open()
  await opens
  t.deepEqual(await vault.log(), ['opens', 'open', 'sneaks in'])
  // The clerk was called for it: its path is the key.
  held.set('clerk-v', gate())
  const again = vault.open()
  await until(() => held.get('clerk-v')!.waiting === 1, 'the vault waits again')
  const legal = calls.get('clerk-v')!
  sneak([...legal.path!, callId(legal)], { args: ['comes back'], caller: 'clerk-v' })
  await until(() => answers.filter((kind) => kind === String(kinds.reply)).length === 2, 'it has run')
  held.get('clerk-v')!.open()
  await again
  t.deepEqual((await vault.log()).slice(3), ['opens', 'comes back', 'open'])
  t.is(await codeOf(vault.note('after')), 'answered undefined')
})

test('the path of a call does not tell by which numbers the calls that it is made for are answered', async (t) => {
  const system = await TestSystem.start(t)
  const vaults = await system.host('h')
  await vaults.node(Vault, 'w')
  const clerks = await system.host('c')
  await clerks.node(Clerk, 'clerk-w')
  const { node } = subjectsOf(system.name)
  const got: { readonly envelope: CallEnvelope; readonly replyTo: string }[] = []
  system.broker.filter = ({ message: { subject, replyTo, payload } }) => {
    if (subject === node('clerk-w'))
      for (const envelope of decode(payload) as CallEnvelope[]) got.push({ envelope, replyTo: replyTo! })
    return 'deliver'
  }
  // The clerk knows the desk's inbox, for the desk has called it too.
  await system.desk.ref(Clerk, 'clerk-w').serve('first')
  held.set('clerk-w', gate())
  t.teardown(() => held.delete('clerk-w'))
  const opens = system.desk.ref(Vault, 'w', { deadline: '20s' }).open()
  await until(() => held.get('clerk-w')!.waiting === 1, 'the vault waits for the clerk')
  const [first, forVault] = got
  const told = forVault!.envelope.path!.flatMap((entry) => entry.split('/').slice(1))
  const numbers = told
    .flatMap((text) => [Number(text), Number.parseInt(text, 36)])
    .filter((seq) => Number.isSafeInteger(seq) && seq > 0)
  t.true(numbers.length > 0)
  for (const seq of numbers) clerks.transport.publish(first!.replyTo, encodeReply(0, seq, forged, replier, 0))
  await clerks.transport.flush()
  held.get('clerk-w')!.open()
  t.is((await opens) as unknown, undefined)
})

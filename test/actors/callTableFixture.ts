/** A call table over a transport that keeps what leaves, with answers as the test gives them. */
import 'reflect-metadata'
import { defaultSettings, type HostSettings } from '../../actors/base/settings.js'
import type { Caller } from '../../actors/calls/caller.js'
import { CallTable } from '../../actors/calls/callTable.js'
import { Contacts } from '../../actors/calls/contacts.js'
import { Outbox } from '../../actors/calls/outbox.js'
import type { OutgoingCall } from '../../actors/calls/outgoingCall.js'
import { TimerWheel } from '../../actors/timerWheel.js'
import { Fault, isFault } from '../../core/base/fault.js'
import type { Level } from '../../core/base/level.js'
import type { HostEvent } from '../../core/inspection/hostEvents.js'
import type { Telemetry } from '../../core/inspection/telemetry.js'
import type { Message, Transport, TransportStatus } from '../../core/ports/transport.js'
import { decode, encodeFault, encodeReply } from '../../core/wire/codec.js'
import type { CallEnvelope } from '../../core/wire/envelope.js'
import { ManualClock } from './manualClock.js'

export const inbox = '_INBOX.host.calls'
export const serversInbox = '_INBOX.host.servers'
export const replier = { node: 'n1', className: 'Notes.v1', version: 3 }
export const caller: Caller = { nodeId: 'desk', incarnation: 7, className: 'Client', version: 2 }

export interface Sent extends CallEnvelope {
  readonly subject: string
  readonly replyTo: string | undefined
}

export const origin = { system: 's', host: 'h' }

export type Options = Partial<OutgoingCall> & { readonly deadlineMs?: number }

export function open(
  change: Partial<HostSettings> = {},
  telemetry?: Telemetry,
  history?: { level: Level },
  inboxes = [inbox, serversInbox],
) {
  const clock = new ManualClock()
  const left: Sent[] = []
  const events: HostEvent[] = []
  const hearers = new Map<string, (message: Message) => void>()
  const transport = {
    payloadBytesMax: 10_000,
    status: 'connected' as TransportStatus,
    refusal: undefined as Fault | undefined,
    newInbox: () => inboxes.shift()!,
    subscribe: (subject: string, handler: (message: Message) => void) => void hearers.set(subject, handler),
    publish(subject: string, payload: Uint8Array, replyTo?: string) {
      if (transport.refusal !== undefined) throw transport.refusal
      for (const envelope of decode(payload)) left.push({ ...(envelope as CallEnvelope), subject, replyTo })
    },
  }
  const settings: HostSettings = {
    ...defaultSettings,
    system: 's',
    hostId: 'h',
    retryPauseMs: 100,
    retryPauseMsMax: 350,
    queryResendMs: 1_000,
    heldAnswerMs: 200,
    ...change,
  }
  const port = transport as unknown as Transport
  const outbox = new Outbox(port, clock, settings)
  const contacts = new Contacts(clock, settings)
  const observe = (event: HostEvent) => void events.push(event)
  const random = { next: () => 0.5 }
  const table = new CallTable(
    port,
    clock,
    random,
    settings,
    observe,
    outbox,
    contacts,
    new TimerWheel(clock),
    telemetry,
    history,
    origin,
  )
  const callOf = ({ deadlineMs = 10_000, ...of }: Options = {}): OutgoingCall => ({
    subject: 'n1',
    label: 2,
    method: 'add',
    kind: 'command',
    args: ['text'],
    deadline: clock.monotonicMs() + deadlineMs,
    expects: null,
    path: null,
    service: 'notes',
    trace: null,
    ...of,
  })
  return {
    clock,
    transport,
    table,
    contacts,
    events,
    callOf,
    /** Makes a call; `end` tells how it has ended, once it has. */
    call(of: Options = {}, by = caller) {
      const made: { end: string | undefined; fault: Fault | undefined } = { end: undefined, fault: undefined }
      table.call(by, callOf(of)).then(
        (value) => {
          made.end = `answered ${JSON.stringify(value)}`
        },
        (fault: Fault) => {
          made.end = isFault(fault) ? `${fault.code}${fault.retryable ? ', not executed' : ''}` : String(fault)
          made.fault = fault
        },
      )
      return made
    },
    /** The messages that leave at the end of this turn, or have left since this was asked last. */
    leaving(): readonly Sent[] {
      clock.endTurn()
      return left.splice(0)
    },
    /** Time passes, in steps in which calls may leave. */
    pass(ms: number): readonly Sent[] {
      for (let at = 0; at < ms; at += 10) {
        clock.advance(10)
        clock.endTurn()
      }
      return left.splice(0)
    },
    async answer(to: Sent, value: unknown, hops = 0): Promise<void> {
      await this.hear(to, encodeReply(to.label, to.seq, value, replier, hops))
    },
    async refuse(to: Sent, fault: Fault, seq = to.seq): Promise<void> {
      await this.hear(to, encodeFault(to.label, seq, fault, replier))
    },
    async nobody(to: Sent): Promise<void> {
      await this.hear(to, new Uint8Array(0), true)
    },
    async hear(to: Pick<Sent, 'replyTo'>, payload: Uint8Array, noResponders = false): Promise<void> {
      hearers.get(to.replyTo!.replace(/\.\w+$/, '.*'))!({ subject: to.replyTo!, payload, noResponders, replyTo: undefined })
      await settled()
    },
  }
}

export const settled = () => new Promise((resolve) => setImmediate(resolve))
export const busy = new Fault('unavailable.overloaded', 'too many wait')

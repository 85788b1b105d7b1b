/**
 * Whether a call may come in at all, before it takes a place in a mailbox: the host's own filter, and how
 * many calls a second each caller may make. Which of them a method is for, its class says
 * (core/model/allow.ts).
 */
import { type InjectionToken, inject, injectable } from 'tsyringe'
import { Fault } from '../../core/base/fault.js'
import type { Version } from '../../core/base/ids.js'
import { isPromiseIgnored } from '../../core/base/maybePromise.js'
import { thrownText } from '../../core/base/thrownText.js'
import type { CallerInfo } from '../../core/wire/callerInfo.js'
import { callerInfo } from '../../core/wire/callerInfo.js'
import { type CallEnvelope, kinds } from '../../core/wire/envelope.js'
import type { HostSettings } from '../base/settings.js'
import { tokens } from '../base/tokens.js'

/** A call that arrives, as a host's filter is told of it. */
export interface ArrivingCall {
  readonly caller: CallerInfo
  readonly node: string
  readonly service: string
  readonly kind: 'call' | 'send' | 'event'
  /** Of an event, its name. */
  readonly method: string
  /** The version that it is made at. */
  readonly label: Version
}

/**
 * True lets the call in; a text says why it does not, and false says nothing. It must be quick:
 * it is asked for every call.
 */
export type CallFilter = (call: ArrivingCall) => boolean | string

export const callFilter: InjectionToken<CallFilter | undefined> = Symbol.for('theseus.callFilter')

interface Bucket {
  /** Calls that it may make at once. */
  left: number
  atMs: number
}

/** Without names nobody can be told apart: what a caller says of itself costs it nothing to change. */
const unnamed = ''

@injectable()
export class CallAdmission {
  /** The caller that has called last is the last. */
  readonly #buckets = new Map<string, Bucket>()

  constructor(
    @inject(tokens.settings) private readonly settings: HostSettings,
    @inject(callFilter) private readonly filter?: CallFilter,
  ) {}

  /** No call needs to be asked about. */
  get letsAllIn(): boolean {
    return this.filter === undefined && this.settings.callsPerSecond === Number.POSITIVE_INFINITY
  }

  /** Why the call is not let in. Undefined: it is. */
  refuses(
    node: { readonly id: string; readonly service: string },
    envelope: CallEnvelope,
    name: string | undefined,
    nowMs: number,
  ) {
    if (this.letsAllIn) return undefined
    return this.#tooMany(name ?? unnamed, nowMs) ?? this.#filtered(node, envelope, name)
  }

  #tooMany(name: string, nowMs: number): Fault | undefined {
    const { callsPerSecond, callsBurst, callersCountedMax } = this.settings
    if (callsPerSecond === Number.POSITIVE_INFINITY) return undefined
    const known = this.#buckets.get(name)
    const left =
      known === undefined ? callsBurst : Math.min(callsBurst, known.left + ((nowMs - known.atMs) * callsPerSecond) / 1_000)
    const isTooMany = left < 1
    this.#buckets.delete(name)
    // One that is forgotten may make as many calls as one that is new.
    if (this.#buckets.size >= callersCountedMax) this.#buckets.delete(this.#buckets.keys().next().value!)
    this.#buckets.set(name, { left: isTooMany ? left : left - 1, atMs: nowMs })
    if (!isTooMany) return undefined
    const who = name === unnamed ? 'callers without a name make' : `${name} makes`
    return new Fault('denied.rate', `${who} more than ${callsPerSecond} calls a second to this host`)
  }

  #filtered(
    node: { readonly id: string; readonly service: string },
    envelope: CallEnvelope,
    name: string | undefined,
  ): Fault | undefined {
    if (this.filter === undefined) return undefined
    const { kind, method, label } = envelope
    const caller = callerInfo(envelope, name)
    const answer = this.#ask(this.filter, { caller, node: node.id, service: node.service, kind: kindNames[kind], method, label })
    if (answer === true) return undefined
    const why = typeof answer === 'string' && answer !== '' ? `: ${answer}` : ''
    return new Fault('denied.filter', `node ${node.id} does not take ${method} of ${name ?? caller.node}${why}`)
  }

  /** A filter that throws, or answers something else, lets nobody in. */
  #ask(filter: CallFilter, call: ArrivingCall): unknown {
    try {
      const answer: unknown = filter(call)
      if (!isPromiseIgnored(answer)) return answer
      return 'the filter answers a promise: it has to answer at once'
    } catch (error) {
      return `the filter has failed: ${thrownText(error)}`
    }
  }
}

const kindNames = { [kinds.call]: 'call', [kinds.send]: 'send', [kinds.event]: 'event' } as const

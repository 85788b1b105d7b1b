/** The caller, as envelopes tell it: a node's object, one of its SOs, or code outside any object. */

import { Fault } from '../../core/base/fault.js'
import type { Version } from '../../core/base/ids.js'
import type { CallOrigin } from '../../core/wire/envelope.js'
import { packCallerFields } from '../../core/wire/envelopeWriter.js'
import type { Listener } from './contacts.js'

export interface Caller {
  readonly nodeId: string
  readonly incarnation: number
  readonly className: string
  readonly version: Version
  /** The one that hears who answered; without one, the host does. */
  readonly contacts?: Listener
  /** Whether nothing may leave in its name now. */
  readonly isSilent?: boolean
}

/** The border of a node (state/departures.ts). */
export interface Voice {
  readonly isSilent: boolean
}

/**
 * One that calls often: what its envelopes have in common is packed once for each class that it
 * calls in a row.
 */
export class FrequentCaller implements Caller {
  /** Whether it is a node's object or SO: whoever waits for the call is user code on that node. */
  readonly isNode: boolean = false
  readonly nodeId: string
  readonly incarnation: number
  readonly className: string
  readonly version: Version
  #expects: string | null | undefined
  #origin: CallOrigin | null = null
  #fields: Uint8Array | undefined

  constructor({ nodeId, incarnation, className, version }: Caller) {
    this.nodeId = nodeId
    this.incarnation = incarnation
    this.className = className
    this.version = version
  }

  is({ nodeId, incarnation, className, version }: Caller): boolean {
    return this.version === version && this.className === className && this.incarnation === incarnation && this.nodeId === nodeId
  }

  fields(expects: string | null, origin: CallOrigin | null): Uint8Array {
    if (this.#fields === undefined || this.#expects !== expects || this.#origin !== origin) {
      this.#expects = expects
      this.#origin = origin
      this.#fields = packedFields(this, expects, origin)
    }
    return this.#fields
  }
}

/** Fields 7 to 11 of the envelopes of `caller`; with an origin, to 13. */
export function callerFields(caller: Caller, expects: string | null, origin: CallOrigin | null = null): Uint8Array {
  return caller instanceof FrequentCaller ? caller.fields(expects, origin) : packedFields(caller, expects, origin)
}

function packedFields(
  { nodeId, incarnation, className, version }: Caller,
  expects: string | null,
  origin: CallOrigin | null,
): Uint8Array {
  return packCallerFields({ caller: nodeId, incarnation, callerClass: className, callerVersion: version, origin, expects })
}

export class CallingNode extends FrequentCaller {
  override readonly isNode = true

  constructor(
    caller: Caller,
    readonly contacts: Listener,
    private readonly voice: Voice,
  ) {
    super(caller)
  }

  get isSilent(): boolean {
    return this.voice.isSilent
  }
}

/** The same towards a neighbour: the versions that are heard of there are not those of its own system. */
export class NeighbourCaller extends FrequentCaller {
  override readonly isNode = true

  constructor(
    caller: Caller,
    private readonly voice: Voice,
  ) {
    super(caller)
  }

  get isSilent(): boolean {
    return this.voice.isSilent
  }
}

export function silentFault(nodeId: string): Fault {
  return new Fault('unavailable.stopped', `this host does not know whether it still has node ${nodeId}: it makes no call`)
}

/**
 * The fault as it reaches user code: a call that nobody awaited ends the process, and the message says on
 * which node that code is.
 */
export function faultFor(caller: Caller, fault: Fault): Fault {
  if (!(caller instanceof FrequentCaller && caller.isNode)) return fault
  const { code, message, details, retryable, cause } = fault
  return new Fault(code, `${message} (called by node ${caller.nodeId})`, details, { cause, retryable })
}

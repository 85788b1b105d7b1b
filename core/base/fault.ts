/**
 * Everything that can go wrong with a call or an upgrade, as one type.
 *
 * `kind` and `code` are public and stable; messages are not. `retryable` means: the call was *not executed*
 * and may be sent again (C4. A call that failed with a retryable fault was not executed). Faults travel in
 * envelopes, so they are checked by brand: two copies of this class may be loaded.
 */
import { ignoreThrownPromise } from './maybePromise.js'
import { shortened, thrownText } from './thrownText.js'

export const faultKinds = [
  'unavailable',
  'timeout',
  'simulation',
  'version',
  'denied',
  'protocol',
  'upgrade',
  'application',
  'config',
] as const
export type FaultKind = (typeof faultKinds)[number]

type CodeEntry = { readonly retryable: boolean; readonly means: string }

/**
 * Every code there is. The kind is the part before the dot. `docs/protocol.md` repeats this
 * table; a test compares them.
 */
export const faultCodes = {
  'unavailable.no-responders': {
    retryable: true,
    means: 'nobody listens on the subject: the node is down, starting or draining',
  },
  'unavailable.no-such-node': {
    retryable: false,
    means: 'the node of a sharded service does not exist, and this call makes none',
  },
  'unavailable.disconnected': { retryable: true, means: 'the caller is not connected, so the call was not sent' },
  'unavailable.overloaded': { retryable: true, means: 'the mailbox, or the caller’s table of open calls, is full' },
  'unavailable.upgrading': { retryable: true, means: 'the node was upgrading and the deadline came before it served again' },
  'unavailable.fetching': { retryable: true, means: 'the node is still fetching the version of this call' },
  'unavailable.stopped': {
    retryable: true,
    means: 'the node stopped before it ran the call, or the caller’s host before the call was sent',
  },
  'unavailable.moved': {
    retryable: true,
    means: 'the node of a sharded service lives on a host, and not in its shard: the call goes there next',
  },
  'unavailable.storage': { retryable: false, means: 'the state could not be written: the call left no trace on its node' },
  'timeout.deadline': { retryable: false, means: 'no answer within the deadline: the outcome is unknown' },
  'timeout.unknown': { retryable: false, means: 'the caller’s host stopped before the answer came: the outcome is unknown' },
  'simulation.refused': {
    retryable: false,
    means: 'a simulation object can’t do this through the other version (§7.1, condition 2)',
  },
  'version.dead': { retryable: false, means: 'no registered node runs this version or an older one: its past-SO is discarded' },
  'version.rejected': { retryable: false, means: 'the node rejected the upgrade to this version' },
  'version.unknown': { retryable: false, means: 'the upgrade server has not installed this version' },
  'version.cut': {
    retryable: false,
    means: 'the upgrade has no simulation object for this version, so the chain ends before it',
  },
  'denied.caller': { retryable: false, means: 'the method is not for this caller: its class says who may call it' },
  'denied.filter': { retryable: false, means: 'the host’s filter does not let this call in' },
  'denied.rate': { retryable: true, means: 'the caller makes more calls a second than the host takes from one' },
  'protocol.bad-envelope': { retryable: false, means: 'the message is not an envelope, or a field is of the wrong type' },
  'protocol.format': { retryable: false, means: 'the envelope format number is not one that this host accepts' },
  'protocol.too-large': { retryable: false, means: 'the envelope is larger than the transport or the host allows' },
  'protocol.no-such-method': { retryable: false, means: 'the class of that version has no such method' },
  'protocol.wrong-class': { retryable: false, means: 'the caller expects another class at that version' },
  'protocol.bad-arguments': { retryable: false, means: 'an argument or result can’t travel in an envelope' },
  'protocol.call-cycle': {
    retryable: false,
    means: 'the call came back to a node that is busy with the outer call or has ended it, or two nodes wait for each other',
  },
  'protocol.query-writes': { retryable: false, means: 'a query wrote to the state, or called a command of the next object' },
  'protocol.not-here': {
    retryable: false,
    means: 'the object may not call, send or set timers now: it is being checked, or has stopped',
  },
  'upgrade.fetch': { retryable: false, means: 'the manifest or the bundle can’t be fetched' },
  'upgrade.signature': { retryable: false, means: 'the signature is missing or not by a trusted upgrader' },
  'upgrade.digest': { retryable: false, means: 'the bytes do not have the digest that the manifest gives' },
  'upgrade.predecessor': { retryable: false, means: 'the manifest does not follow the one before it' },
  'upgrade.conflict': { retryable: false, means: 'another upgrade was installed meanwhile' },
  'upgrade.probation': {
    retryable: false,
    means: 'the upgrade database has restarted or lost something: nothing is installed until the hosts have told what they know',
  },
  'upgrade.unreplicated': {
    retryable: false,
    means: 'replicas of the upgrade database do not have the bundle in time: nothing is installed',
  },
  'upgrade.forked': { retryable: false, means: 'two manifests are known for one version, so nothing is installed' },
  'upgrade.invalid': { retryable: false, means: 'the upgrade is not well formed, or does not fit the classes it names' },
  'upgrade.neighbour': {
    retryable: false,
    means: 'a class calls another system at a version that is not there, is dead, or can’t be asked for',
  },
  'upgrade.release': {
    retryable: false,
    means: 'the manifest is of a format, or sets a level, that this release does not read',
  },
  'upgrade.level': {
    retryable: false,
    means: 'the upgrade needs a format above the system’s level, or somebody registered does not read the new level',
  },
  'upgrade.schedule': { retryable: false, means: 'the scheduling function threw' },
  'upgrade.drain': { retryable: false, means: 'the running call did not finish in time' },
  'upgrade.transform': {
    retryable: false,
    means: 'the transform function, or a past-SO’s initialisation, threw or ran too long',
  },
  'upgrade.record': {
    retryable: false,
    means: 'the transform of a lazy record failed: the call left no trace on its node',
  },
  'upgrade.check': { retryable: false, means: 'the new object’s selfCheck threw' },
  'upgrade.start': { retryable: false, means: 'the new object could not be started' },
  'upgrade.rewind': { retryable: false, means: 'the operations since the flip can’t be replayed' },
  'upgrade.unreached': {
    retryable: false,
    means: 'the node is stalled or rejected on its way to the version that was waited for',
  },
  'application.error': { retryable: false, means: 'a user’s method threw' },
  'config.invalid': { retryable: false, means: 'a setting, name or class is wrong; the message says what to do' },
  'config.directory-held': { retryable: false, means: 'another host holds the state directory' },
  'config.other-trust': {
    retryable: false,
    means: 'the host is told to trust others than its upgrade server: it starts no node, and learns no upgrade',
  },
  'config.log-lost': {
    retryable: false,
    means: 'a log lacks entries that it had: nothing is started from it before an operator decides',
  },
  'config.layout': { retryable: false, means: 'the upgrade database has the layout of a later release' },
  'config.release': {
    retryable: false,
    means: 'this release does not read the system’s level: a host or an upgrade server of a newer one is needed',
  },
  'config.registered-elsewhere': {
    retryable: false,
    means: 'the node id is registered with another state directory, or by a newer start of a host',
  },
} as const satisfies Record<string, CodeEntry>

export type FaultCode = keyof typeof faultCodes | `application.${string}`

const brand: unique symbol = Symbol.for('theseus.fault') as never

export type FaultDetails = Readonly<Record<string, unknown>>

export class Fault extends Error {
  readonly [brand] = true
  override readonly name = 'Fault'
  readonly kind: FaultKind
  readonly retryable: boolean

  constructor(
    readonly code: FaultCode,
    message: string,
    readonly details: FaultDetails = {},
    /**
     * `retryable` counts only for a code that this host does not know: a newer peer’s word is taken for its
     * own codes. An application’s fault is never retryable: a method has begun to throw it (C4).
     */
    options?: { readonly cause?: unknown; readonly retryable?: boolean },
  ) {
    super(message, options !== undefined && 'cause' in options ? { cause: options.cause } : undefined)
    this.kind = kindOf(code)
    this.retryable = isKnown(code) ? faultCodes[code].retryable : this.kind !== 'application' && options?.retryable === true
  }
}

function isKnown(code: string): code is keyof typeof faultCodes {
  return Object.hasOwn(faultCodes, code)
}

function kindOf(code: string): FaultKind {
  return code.slice(0, code.indexOf('.')) as FaultKind
}

/** By brand. A value whose properties can't be read is no fault. */
export function isFault(value: unknown): value is Fault {
  if (typeof value !== 'object' || value === null) return false
  try {
    return (value as { [brand]?: true })[brand] === true
  } catch {
    return false
  }
}

/**
 * The error for a user's method to throw when callers should tell cases apart: it arrives at the caller as
 * `application.<code>` with these details. Any other error arrives as `application.error` with its message.
 */
export function applicationFault(code: string, message: string, details?: FaultDetails): Fault {
  return new Fault(`application.${code}`, message, details)
}

/** Any thrown value, as a fault. A value that can't be read is a fault too. */
export function toFault(thrown: unknown, otherwise: FaultCode): Fault {
  try {
    if (isFault(thrown)) return isReadable(thrown) ? thrown : readFault(thrown, otherwise)
  } catch {}
  ignoreThrownPromise(thrown)
  return new Fault(otherwise, thrownText(thrown), {}, { cause: thrown })
}

/** Made here, and nobody has changed its fields since. */
function isReadable(fault: Fault): boolean {
  return fault instanceof Fault && isCode(fault.code) && typeof fault.message === 'string' && typeof fault.retryable === 'boolean'
}

/** A fault of another copy of this class, or of user code that has put the brand on something of its own. */
function readFault({ code, message, details, retryable }: Fault, otherwise: FaultCode): Fault {
  if (!isCode(code)) return new Fault(otherwise, thrownText({ message }))
  const isRecord = typeof details === 'object' && details !== null
  return new Fault(code, thrownText({ message }), isRecord ? details : {}, { retryable: retryable === true })
}

/** A kind and a name. Newer peers may have kinds of their own. */
function isCode(code: unknown): code is FaultCode {
  return typeof code === 'string' && code.length <= codeLengthMax && code.indexOf('.') > 0
}

const codeLengthMax = 256

/**
 * The reason of a fault that is kept and told is bounded: it is in the node's record, in the upgrade
 * database, and on screens.
 */
const reasonLengthMax = 2_000

/**
 * Text that can be kept and sent: half a surrogate pair can't, and a reason that can't be kept would end the
 * upgrade without a word.
 */
export function reasonOf(thrown: unknown): string {
  let code = ''
  try {
    if (isFault(thrown)) code = `${String(thrown.code)}: `
  } catch {}
  return shortened(code + (thrownText(thrown) || 'an error without a message'), reasonLengthMax)
}

const shortMessageLengthMax = 1_000
const shortDetailLengthMax = 200
const shortDetailsMax = 16

/**
 * The fault as it is sent where all of it is too large: its code, the beginning of its message, and the
 * details that are short.
 */
export function shortenedFault({ code, message, details, retryable }: Fault): Fault {
  const short: Record<string, unknown> = {}
  try {
    for (const [name, value] of Object.entries(details).slice(0, shortDetailsMax))
      if (isShort(name) && isShort(value)) short[name] = value
  } catch {}
  return new Fault(code, shortened(message, shortMessageLengthMax), { ...short, shortened: true }, { retryable })
}

function isShort(value: unknown): boolean {
  switch (typeof value) {
    case 'string':
      return value.length <= shortDetailLengthMax
    case 'number':
    case 'boolean':
      return true
    default:
      return value === null
  }
}

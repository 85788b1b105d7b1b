/**
 * The bounds and intervals of a host. Every queue, cache, wait and retry has one here, with its
 * unit in its name.
 */
import type { Roles } from '../../core/model/allow.js'
import type { NodeFacts } from '../../core/model/nodeFilter.js'
import { defaultServiceLimit, type ServiceLimit } from '../../core/schedules/serviceLimit.js'

export interface HostSettings {
  readonly system: string
  /** Names this host among the others; also the beginning of its reply subjects. */
  readonly hostId: string
  /**
   * The facts about the nodes that are born on this host, which never change, for class upgrades that are
   * restricted to some nodes.
   */
  readonly facts: NodeFacts
  /** Calls waiting for one node; one more is refused with `unavailable.overloaded`. */
  readonly mailboxCallsMax: number
  /**
   * Bytes of what waits at the host, of all callers and of one that has a name; one message more is refused
   * with `unavailable.overloaded`.
   */
  readonly waitingBytesMax: number
  readonly waitingBytesPerCallerMax: number
  /** Timers that one object has set; one more is refused where it is set. */
  readonly timersMax: number
  /** The names of callers that have each role, for classes that say who may call. */
  readonly roles: Roles
  /**
   * Calls a second that this host takes from one caller, and as many at once; one more is
   * refused with `denied.rate`.
   */
  readonly callsPerSecond: number
  readonly callsBurst: number
  /** Callers whose calls are counted; one that is forgotten begins anew. */
  readonly callersCountedMax: number
  /** Denied calls of one kind are told of once in so long, and so many kinds in that time. */
  readonly denialsMs: number
  readonly denialsMax: number
  /** How long denied calls are counted before they are told to an upgrade server, for the audit. */
  readonly denialReportMs: number
  /** Calls that wait until a node knows their version; one more is refused with `unavailable.overloaded`. */
  readonly heldCallsMax: number
  /**
   * A held call that can't be carried out in time is answered so long before its deadline: it
   * was not executed.
   */
  readonly heldAnswerMs: number
  /**
   * How long a host takes to stop, at most: it waits for the calls that run on its nodes, serves what these
   * need, and closes what it has open.
   */
  readonly leaveMs: number
  /** Calls of this host that wait for their answer; one more is refused with `unavailable.overloaded`. */
  readonly openCallsMax: number
  /** Envelopes of one turn to one destination that travel in one message. */
  readonly envelopesPerMessageMax: number
  /** The same for a message to a service, of which one node gets all. */
  readonly envelopesPerServiceMessageMax: number
  /** Bytes of one such message, at most what the transport allows. */
  readonly messageBytesMax: number
  /** Subjects whose messages being filled are found again; one that is forgotten costs a message more. */
  readonly destinationsMax: number
  /** Buffers of sent messages that are kept to be filled again, and the bytes of one that is. */
  readonly idleWritersMax: number
  readonly idleWriterBytesMax: number
  /** The deadline of a call that names none. */
  readonly callDeadlineMs: number
  /** The first pause before a call that was not executed is sent again; doubles up to `retryPauseMsMax`. */
  readonly retryPauseMs: number
  readonly retryPauseMsMax: number
  /** A query without an answer is sent again after so long. */
  readonly queryResendMs: number
  /** Nodes that one node remembers having exchanged calls with; and all nodes of the host together. */
  readonly contactsMax: number
  readonly contactsOfHostMax: number
  /** So long new ones wait to be written, and of so many nodes they are written in one go. */
  readonly contactsKeptMs: number
  readonly contactsPerTurnMax: number
  /** How often the upgrade server is asked for its newest version, should an announcement have been lost. */
  readonly askServerMs: number
  /** How long a version that the upgrade server does not know is taken for unknown without asking again. */
  readonly unknownVersionMs: number
  /** How long a node with state waits for the upgrade server's first answer before it serves. */
  readonly firstAnswerMs: number
  /** The deadline of a question to the upgrade server. */
  readonly serverDeadlineMs: number
  /**
   * The same of a question for a chunk of a bundle, for which many hosts may wait in a queue there; and how
   * often it is asked again meanwhile, which should be more than a busy server takes.
   */
  readonly chunkDeadlineMs: number
  readonly chunkResendMs: number
  /**
   * A host that hears of a new version by announcement asks the upgrade server at a random moment within so
   * long: all hosts hear it at once.
   */
  readonly announcedWithinMs: number
  /** A host that does not renew its lease for so long is taken for dead. */
  readonly leaseMs: number
  /**
   * Starts of a host that its state directory remembers: one that it does not know has another copy of it.
   */
  readonly startsKeptMax: number
  /**
   * A host that has stood still for longer, or for half a lease, takes what arrives then for as old as that.
   */
  readonly stallMs: number
  /**
   * How long a host that has stood still for more than a lease waits for the upgrade database's
   * word before it goes on without.
   */
  readonly fenceAnswerMs: number
  /** Messages that wait for it; one more is refused with `unavailable.overloaded`. */
  readonly fencedMessagesMax: number
  /**
   * The pause before something that failed at the upgrade server or the UDB is tried again;
   * doubles up to `backoffMsMax`.
   */
  readonly backoffMs: number
  readonly backoffMsMax: number
  /**
   * How long a node that an upgrade leaves alone waits for the running call before it says that it is
   * stalled; it advances when the call ends.
   */
  readonly advanceTimeoutMs: number
  /** How long an object's `stop()` may take before the object is discarded all the same. */
  readonly stopTimeoutMs: number
  /** How old the registered nodes may be that scheduling functions see. */
  readonly populationMs: number
  /** How often the controls are read while a node waits for one. */
  readonly controlsMs: number
  /** How often a node waiting for a permit under its service's limit asks again. */
  readonly slotPauseMs: number
  /**
   * Nodes of one service of this host that go forward at once, or ask for a permit; the others
   * wait in a queue without asking.
   */
  readonly upgradesAtOnceMax: number
  /** Nodes that learn of a new version in one turn of the loop. */
  readonly learnPerTurnMax: number
  /** Records that a transform writes in one turn of the loop, and bytes. */
  readonly transformRecordsPerTurn: number
  readonly transformBytesPerTurn: number
  /** The same for one transaction. */
  readonly transformRecordsPerCommit: number
  readonly transformBytesPerCommit: number
  /**
   * The records that lazy transforms make in one go in the background, of all nodes of the host together; and
   * about how long a go takes.
   */
  readonly recordsPerPass: number
  readonly passMs: number
  /**
   * Their share of the event loop, at most; the pause between two goes, which doubles up to `passPauseMsMax`
   * while nothing can be done.
   */
  readonly passShareMax: number
  readonly passPauseMs: number
  readonly passPauseMsMax: number
  /**
   * Operations whose replay was not as before that a node remembers after a rewind; more are counted only.
   */
  readonly rewindReportMax: number
  /**
   * Sharded services: how long a shard is its owner's after each word of it in the log; and how long before
   * that ends the owner says nothing any more.
   */
  readonly shardLeaseMs: number
  readonly shardGuardMs: number
  /** A shard that was left to a host is left to it for so long; the next one after it waits as long again. */
  readonly shardSuccessorMs: number
  /** How often hosts tell which shards they have, and would take. One that is silent twice is gone. */
  readonly shardOfferMs: number
  /** A host that begins to offer a service hears the others for so long before it takes any shard. */
  readonly shardSettleMs: number
  /** Shards that one host gives away at once. */
  readonly shardMovesMax: number
  /** The host that will have a shard may take so long to copy it. */
  readonly shardPrepareMs: number
  /** Shards whose logs a host reads from the beginning, or from a snapshot, at once. */
  readonly shardCopiesMax: number
  /**
   * A snapshot is made after so many bytes in the log, and as many as the shard has. An entry counts 1 KiB
   * more.
   */
  readonly snapshotBytesMin: number
  /** A node of a sharded service that nobody calls falls asleep after so long. */
  readonly sleepAfterMs: number
  /** Sleeping nodes of one shard that an upgrade, or a new owner, wakes at once. */
  readonly wakingMax: number
  /** Keys deleted in one transaction when unused slots are swept. */
  readonly sweepKeysPerCommit: number
  /** At most so many nodes of a service not serving at once. */
  readonly limit: ServiceLimit
  /** Phases of past upgrades that a host remembers for those who look afterwards. */
  readonly phasesKeptMax: number
  /** Those who look at a host at once; one more is not told anything. */
  readonly lookersMax: number
  /**
   * How much of its nodes' states the host tells those who look and ask for it: nothing, the names of fields
   * and collections, or the values of fields too. Schedules see everything.
   */
  readonly observedState: 'nothing' | 'names' | 'values'
  /**
   * The orders to record calls (`natsctl record`) that the host follows: none, signed ones, or also those of
   * a system where nobody signs.
   */
  readonly recordedCalls: 'nothing' | 'signed' | 'anyone'
  /** Fields that are masked in every recording, whatever the order says. */
  readonly maskedFields: readonly string[]
  /** How long it waits for an object to be free to tell of its memory. */
  readonly observedMs: number
  /**
   * How often within so long a host tells everything there is to know, which is much; one who would be told
   * more often is told nothing.
   */
  readonly tellingsMax: number
  readonly tellingsMs: number
  /** How long what is seen is gathered before it is sent. */
  readonly seenBatchMs: number
  /**
   * The most of it that is sent at once; and the most that waits, of phases and chains and of statecharts'
   * events each: beyond, the oldest is dropped.
   */
  readonly seenPerTickMax: number
  readonly seenQueueMax: number
}

export const defaultSettings: Omit<HostSettings, 'system' | 'hostId'> = {
  facts: {},
  mailboxCallsMax: 10_000,
  waitingBytesMax: 256 * 1024 * 1024,
  waitingBytesPerCallerMax: 64 * 1024 * 1024,
  timersMax: 10_000,
  roles: {},
  callsPerSecond: Number.POSITIVE_INFINITY,
  callsBurst: 1_000,
  callersCountedMax: 10_000,
  denialsMs: 1_000,
  denialsMax: 1_000,
  denialReportMs: 10_000,
  heldCallsMax: 1_000,
  leaveMs: 10_000,
  heldAnswerMs: 100,
  openCallsMax: 100_000,
  envelopesPerMessageMax: 256,
  envelopesPerServiceMessageMax: 8,
  messageBytesMax: 64 * 1024,
  destinationsMax: 4_096,
  idleWritersMax: 64,
  idleWriterBytesMax: 128 * 1024,
  callDeadlineMs: 5_000,
  retryPauseMs: 10,
  retryPauseMsMax: 250,
  queryResendMs: 1_000,
  contactsMax: 1_024,
  contactsOfHostMax: 65_536,
  contactsKeptMs: 5_000,
  contactsPerTurnMax: 256,
  askServerMs: 30_000,
  unknownVersionMs: 500,
  firstAnswerMs: 1_000,
  serverDeadlineMs: 5_000,
  chunkDeadlineMs: 60_000,
  chunkResendMs: 10_000,
  announcedWithinMs: 500,
  leaseMs: 15_000,
  startsKeptMax: 16,
  stallMs: 1_000,
  fenceAnswerMs: 2_000,
  fencedMessagesMax: 10_000,
  backoffMs: 100,
  backoffMsMax: 5_000,
  advanceTimeoutMs: 10_000,
  stopTimeoutMs: 10_000,
  populationMs: 200,
  controlsMs: 1_000,
  slotPauseMs: 100,
  upgradesAtOnceMax: 64,
  learnPerTurnMax: 64,
  transformRecordsPerTurn: 500,
  transformBytesPerTurn: 256 * 1024,
  transformRecordsPerCommit: 4_000,
  transformBytesPerCommit: 4 * 1024 * 1024,
  recordsPerPass: 500,
  passMs: 5,
  passShareMax: 0.2,
  passPauseMs: 5,
  passPauseMsMax: 1_000,
  rewindReportMax: 10_000,
  shardLeaseMs: 10_000,
  shardGuardMs: 2_000,
  shardSuccessorMs: 3_000,
  shardOfferMs: 500,
  shardSettleMs: 300,
  shardMovesMax: 2,
  shardPrepareMs: 30_000,
  shardCopiesMax: 4,
  snapshotBytesMin: 4 * 1024 * 1024,
  sleepAfterMs: 60_000,
  wakingMax: 32,
  sweepKeysPerCommit: 1_000,
  limit: defaultServiceLimit,
  phasesKeptMax: 10_000,
  lookersMax: 8,
  observedState: 'names',
  recordedCalls: 'signed',
  maskedFields: [],
  observedMs: 1_000,
  tellingsMax: 32,
  tellingsMs: 1_000,
  seenBatchMs: 100,
  seenPerTickMax: 2_000,
  seenQueueMax: 20_000,
}

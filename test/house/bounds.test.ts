/**
 * Each bound and interval of actors/base/settings.ts names the test that tries to break it, or to show that
 * it holds. A new one without a test is red here.
 */
import 'reflect-metadata'
import { readFileSync } from 'node:fs'
import test from 'ava'
import { defaultSettings, type HostSettings } from '../../actors/base/settings.js'
import { isTestTitle } from '../support/testTitles.js'

/**
 * The identity of a host, whom it lets call, how much of states and calls it tells, and how many of its nodes
 * the operator lets go at once: no bounds of its own.
 */
const told = ['observedState', 'recordedCalls', 'maskedFields'] as const
const others: ReadonlySet<keyof HostSettings> = new Set(['system', 'hostId', 'facts', 'roles', 'limit', ...told])

type Bound = Exclude<keyof HostSettings, 'system' | 'hostId' | 'facts' | 'roles' | 'limit' | (typeof told)[number]>

/** The file under test/actors, and the title there. */
const triedBy: Readonly<Record<Bound, readonly [file: string, title: string]>> = {
  shardLeaseMs: [
    'shardOwner',
    'H5: an owner that lives keeps its shard, however long it says nothing; one that dies is followed after its lease',
  ],
  shardGuardMs: ['shardOwner', 'H4: nothing may leave in the guard’s time before the lease ends'],
  shardSuccessorMs: ['shardOwner', 'H9: a shard that is left to a host is left to it for a while, then to anybody'],
  shardOfferMs: [
    'shardedServices',
    'a host is killed for good: its nodes answer elsewhere after its lease, with all that was acknowledged',
  ],
  shardSettleMs: ['shardedServices', 'shards are spread over the hosts that offer the service, and move to one that joins'],
  shardMovesMax: ['shardedServices', 'shards are spread over the hosts that offer the service, and move to one that joins'],
  shardPrepareMs: [
    'shardHandOver',
    'a host that does not copy a shard does not get it, and others are asked no more for a while',
  ],
  shardCopiesMax: ['shardHandOver', 'a host begins so many copies at once'],
  snapshotBytesMin: [
    'shardOwner',
    'H8: the log is cut off behind snapshots, and the state is whole on a host that has none of it',
  ],
  sleepAfterMs: ['shardedServices', 'a node that nobody calls falls asleep, and a call wakes it with its state'],
  wakingMax: ['shardedServices', 'an upgrade wakes so many sleeping nodes of a shard at once'],
  rewindReportMax: ['rewind', 'a report has so many differences, and counts the others'],
  mailboxCallsMax: ['calls', 'a full mailbox refuses with unavailable.overloaded, and the refused call is carried out later'],
  waitingBytesMax: ['backlog', 'a caller with a name takes no more than its part, and all together no more than there is'],
  waitingBytesPerCallerMax: [
    'backlog',
    'what a caller has waiting counts together until it has left, and one call may be too large for its caller at once',
  ],
  timersMax: ['timers', 'an object has a bounded number of timers, and one more is refused where it is set'],
  callsPerSecond: ['callAdmission', 'each caller has its burst, and so many calls a second after it'],
  callsBurst: ['callAdmission', 'each caller has its burst, and so many calls a second after it'],
  callersCountedMax: ['callAdmission', 'so many callers are counted: one that has not called for longest is forgotten'],
  denialsMs: ['denials', 'the first denial of a kind is told of at once, those of the next second together after it'],
  denialsMax: ['denials', 'of more kinds than are told one by one it is said how many calls they were'],
  denialReportMs: ['denialReports', 'a host that denies nobody reports nothing; what it denies is counted, and told together'],
  heldCallsMax: ['calls', 'calls of unknown versions beyond the bound are refused with unavailable.overloaded'],
  heldAnswerMs: ['heldCall', 'a held call is refused so long before its deadline that its caller hears of it in time'],
  leaveMs: [
    'hostStops',
    'a call that never ends is left behind after leaveMs: it is not acknowledged, and what it writes is nowhere',
  ],
  openCallsMax: ['callTableMessages', 'one more call than may be open is refused before anything leaves'],
  envelopesPerMessageMax: ['outbox', 'envelopes to one subject share a message, in their order, until it is full'],
  envelopesPerServiceMessageMax: ['outbox', 'messages to a service are small, so that its nodes share what is sent in one turn'],
  messageBytesMax: ['outbox', 'a message that has become too long leaves at once, after all that were begun before it'],
  destinationsMax: ['outbox', 'a destination that was forgotten sends what it was given before what is written later'],
  idleWritersMax: [
    'outbox',
    'buffers of messages are used again: so many, and none that has become larger than idleWriterBytesMax',
  ],
  idleWriterBytesMax: [
    'outbox',
    'buffers of messages are used again: so many, and none that has become larger than idleWriterBytesMax',
  ],
  callDeadlineMs: ['clients', 'a reference calls a node, or any node of its service, and its call has so long as the host says'],
  retryPauseMs: [
    'callTable',
    'a call that nobody takes is made again after pauses that double up to a bound, while there is time for an answer',
  ],
  retryPauseMsMax: [
    'callTable',
    'a call that nobody takes is made again after pauses that double up to a bound, while there is time for an answer',
  ],
  queryResendMs: ['callTable', 'a query without an answer is asked again now and then; whichever copy is answered ends it'],
  contactsMax: ['contacts', 'so many contacts are remembered; one that was not heard of again is forgotten for a new one'],
  contactsOfHostMax: ['nodeContacts', 'the nodes of a host share so many places: a node that has none gets none'],
  contactsKeptMs: ['nodeContacts', 'K1: contacts of many nodes are written together after a while, so many in one go'],
  contactsPerTurnMax: ['nodeContacts', 'K1: contacts of many nodes are written together after a while, so many in one go'],
  askServerMs: [
    'headPoison',
    'a version that somebody made up is forgotten with the next answer, and the next upgrade is learned',
  ],
  unknownVersionMs: ['upgradeHistory', 'a version that the server does not have is remembered as unknown for a while'],
  firstAnswerMs: ['nodeStart', 'nodes that come back at the same time ask the upgrade server once, and not for long'],
  serverDeadlineMs: ['upgradeServerClient', 'a question is a query of the host, to the servers of its system, without a version'],
  chunkDeadlineMs: ['upgradeServerClient', 'a bundle is asked for patiently: with a deadline and a pace of its own'],
  chunkResendMs: ['upgradeServerClient', 'a bundle is asked for patiently: with a deadline and a pace of its own'],
  announcedWithinMs: ['announcements', 'who hears of a second version meanwhile asks once for both'],
  leaseMs: [
    'hostFence',
    'F1: after more than a lease without a question to the database a host asks, once, and holds what arrives',
  ],
  startsKeptMax: ['hostSession', 'so many starts are remembered, the newest ones'],
  stallMs: ['hostFence', 'F2: what arrives after a gap may have waited as long as the longest one, until all of it has arrived'],
  fenceAnswerMs: [
    'reporterEpochs',
    'a database that never answers holds nothing up for longer than fenceAnswerMs: no birth, no question, no stop',
  ],
  fencedMessagesMax: [
    'routing',
    'F1: while a host does not know whether its nodes are its own, what arrives waits, in its order',
  ],
  backoffMs: ['nodeRestart', 'an object that does not start is told of with its reason, and tried again less and less often'],
  backoffMsMax: [
    'upgradeAdmission',
    'the pause between two tries doubles while the database is away, and is short again once it has answered',
  ],
  advanceTimeoutMs: ['neverEnds', 'an upgrade that leaves the node alone stalls too, and is taken as soon as the call has ended'],
  stopTimeoutMs: ['nodeSoftware', 'a stop() that never ends is a warning, and the object is gone all the same'],
  populationMs: ['nodeRowCache', 'all who ask within a while have one reading, whichever service they ask for'],
  controlsMs: [
    'controls',
    'a thousand nodes that wait read the controls once in controlsMs, together, also while the database is away',
  ],
  slotPauseMs: [
    'upgradeAdmission',
    'a node asks again for its permit after a pause of its own, so that those who wait do not ask all at once',
  ],
  upgradesAtOnceMax: [
    'upgradeQueue',
    'as many of a host go forward at once as its settings say, though their limit would let all go',
  ],
  learnPerTurnMax: [
    'learningTurns',
    'of many nodes that hear of a version, no more than learnPerTurnMax learn it in one turn of the loop',
  ],
  transformRecordsPerTurn: ['transformRun', 'after so many records or bytes others of the host get a turn'],
  transformBytesPerTurn: ['transformRun', 'after so many records or bytes others of the host get a turn'],
  transformRecordsPerCommit: ['transformRun', 'records that are made for it are carried over within the same bounds'],
  transformBytesPerCommit: ['transformRun', 'no transaction has many more bytes than the bound'],
  recordsPerPass: ['recordPassScheduler', 'so many records are made in one pass, then the next node comes'],
  passMs: ['recordPassScheduler', 'a pass ends when its time is over, and the pause after it leaves the others their share'],
  passShareMax: [
    'recordPassScheduler',
    'a pass ends when its time is over, and the pause after it leaves the others their share',
  ],
  passPauseMs: [
    'recordPassScheduler',
    'where nobody can do anything it is looked less and less often, and often again when somebody can',
  ],
  passPauseMsMax: [
    'recordPassScheduler',
    'where nobody can do anything it is looked less and less often, and often again when somebody can',
  ],
  sweepKeysPerCommit: ['transformRun', 'slots that nobody needs are swept in transactions within the bound, and no others'],
  phasesKeptMax: ['inspection', 'a host remembers a bounded number of phases'],
  observedMs: ['observers', 'the state of a busy node is told without its memory, which it is not free to tell'],
  lookersMax: ['inspection', 'at most so many look at once; one more is not told anything and is a dead letter'],
  tellingsMax: ['inspection', 'everything is told only so often, whoever asks; who was told before goes on being told'],
  tellingsMs: ['inspection', 'everything is told only so often, whoever asks; who was told before goes on being told'],
  seenBatchMs: ['inspection', 'what waits is bounded: the oldest is dropped, and how much was is told'],
  seenPerTickMax: [
    'inspection',
    'however much waits to be told, no more than seenPerTickMax of it is told at once, and all of it in the end',
  ],
  seenQueueMax: ['inspection', 'what waits is bounded: the oldest is dropped, and how much was is told'],
}

const read = (path: string) => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8')

test('each bound of the settings names a test that tries to break it, and that knows of it', (t) => {
  // Of the source too: one that has no default would be missed otherwise.
  const written = [...read('actors/base/settings.ts').matchAll(/^ {2}readonly (\w+)\??:/gm)].map(([, name]) => name!)
  const named = new Set<string>([...written, ...Object.keys(defaultSettings)])
  const bounds = [...named].filter((name) => !others.has(name as keyof HostSettings)).sort()
  t.deepEqual(Object.keys(triedBy).sort(), bounds)
  const missing = Object.entries(triedBy).flatMap(([bound, [file, title]]) => {
    const source = read(`test/actors/${file}.test.ts`)
    if (!isTestTitle(title)) return [`${bound}: ${file}.test.ts has no test “${title}”`]
    return knows(source, bound) ? [] : [`${bound}: ${file}.test.ts does not know of it`]
  })
  t.deepEqual(missing, [])
})

/** The test file itself, or what it has its settings from. */
function knows(source: string, bound: string): boolean {
  const helpers = [...source.matchAll(/from '\.\/(\w+)\.js'/g)].map(([, name]) => read(`test/actors/${name}.ts`))
  return [source, ...helpers].some((each) => new RegExp(`\\b${bound}\\b`).test(each))
}

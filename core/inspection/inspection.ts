/**
 * The reports of hosts to those who look at a rollout (docs/protocol.md, "Looking"): who runs what, with
 * which chain, which phase begins, how many calls came at which version, and what the upgrade managers'
 * statecharts do. Plain data, told only while somebody looks.
 */
import { isName, isVersion, type Version } from '../base/ids.js'
import { isPhase, type Phase } from '../base/phases.js'
import { timeBuckets } from '../base/timeBuckets.js'
import type { LinkRole } from '../model/objectChain.js'
import type { ServiceLimit } from '../schedules/serviceLimit.js'
import type { Signed } from '../trust/signed.js'
import type { StatechartEvent } from '../upgrade/statechartEvent.js'
import { type RecordedSeen, recordedIn, recordingOrderIn } from './recordedSeen.js'
import { isRewoundSeen, type RewoundSeen } from './rewoundSeen.js'

export interface LinkSeen {
  readonly version: Version
  readonly className: string
  readonly role: LinkRole
}

/** How many calls a node has carried out at a version since it started. */
export type CallsSeen = readonly [version: Version, calls: number]

export interface NodeSeen {
  readonly type: 'node'
  /** Milliseconds since 1970, by the clock of the node's host; so is every `at`. */
  readonly at: number
  readonly nodeId: string
  readonly hostId: string
  readonly service: string
  readonly className: string
  readonly version: Version
  readonly phase: Phase
  readonly target: Version | null
  readonly reason: string | null
  /** Past-SOs, the object, future-SOs, oldest first. */
  readonly chain: readonly LinkSeen[]
  readonly calls: readonly CallsSeen[]
}

export type Seen =
  /** At first, and whenever the chain is another. */
  | NodeSeen
  | { readonly type: 'gone'; readonly at: number; readonly nodeId: string }
  | PhaseSeen
  | { readonly type: 'calls'; readonly at: number; readonly nodeId: string; readonly calls: readonly CallsSeen[] }
  | StatechartSeen
  | StateSeen
  | RewoundSeen

/** A root record, or an object's memory: the names of its fields, and their values where these are told. */
export interface FieldsSeen {
  readonly fields: readonly string[]
  /** Cut where they are long or deep; null where the host tells names alone, or they are too much. */
  readonly values: readonly unknown[] | null
}

/** The persistent state of a node's object, or of one of its simulation objects. */
export interface SlotSeen extends FieldsSeen {
  readonly version: Version
  readonly className: string
  readonly isObject: boolean
  readonly collections: readonly string[]
}

/** All of a node's state, as far as its host tells it (`observedState`): for who asks for that. */
export interface StateSeen {
  readonly type: 'state'
  readonly at: number
  readonly nodeId: string
  /** The object first, then the simulation objects, oldest first. */
  readonly states: readonly SlotSeen[]
  /** Null: its class offers none, or it was not free to answer in time. */
  readonly memory: FieldsSeen | null
}

export interface PhaseSeen {
  readonly type: 'phase'
  readonly at: number
  /** Counts the phases of a host: what is told again is known by it. */
  readonly n: number
  readonly nodeId: string
  readonly phase: Phase
  readonly target: Version | null
  readonly reason: string | null
}

export interface StatechartSeen {
  readonly type: 'statechart'
  readonly at: number
  readonly nodeId: string
  readonly target: Version
  /** When this upgrade manager began: tells two tries of one upgrade apart. */
  readonly run: number
  /** The session id of the upgrade manager itself; its effects have others. */
  readonly manager: string
  readonly event: StatechartEvent
}

/** The figures of the calls to one service on a host, all its nodes together. */
export interface FiguresSeen {
  readonly at: number
  readonly service: string
  /**
   * At most so many nodes of the service not serving at once, as this host is told; an upgrade
   * may allow less.
   */
  readonly limit: ServiceLimit
  readonly versions: readonly VersionFigures[]
}

/**
 * Counted since each node started; what a node has counted goes when it stops, so a sum may become smaller.
 */
export interface VersionFigures {
  readonly version: Version
  readonly calls: number
  /** Of these, how many went through simulation objects. */
  readonly simulated: number
  /** Calls that a simulation object refused. */
  readonly refused: number
  /** Calls that ended with another fault, or whose deadline came before their turn. */
  readonly failed: number
  /** How long some of them took (`timeBuckets.ts`), since somebody began to look. Empty before the first. */
  readonly times: readonly number[]
}

/** The contents of one message. */
export interface SeenBatch {
  readonly hostId: string
  /** Another one each time the host starts. */
  readonly epoch: number
  /** Counts what all viewers get, from 1; 0 for what one viewer gets at first. A gap is a loss. */
  readonly number: number
  /** The number of reports for which the host's queue had no place since the batch before. */
  readonly dropped: number
  readonly seen: readonly Seen[]
  /** Only for who asks for them. */
  readonly figures?: readonly FiguresSeen[]
  /** Only for the viewer of a recording. */
  readonly recorded?: RecordedSeen
}

/** A question: to be told for so long. */
export interface InspectionRequest {
  readonly looker: string
  readonly leaseMs: number
  /** Hosts that are to tell everything again: something of theirs was lost. */
  readonly afresh: readonly string[]
  readonly only: InspectionFilter
  /** The order to record calls for this viewer. */
  readonly order?: Signed
}

/** The reports that a viewer wants; types and nodes that are left out restrict nothing. */
export interface InspectionFilter {
  readonly types?: readonly string[]
  readonly nodes?: readonly string[]
  /** The figures of whole services: nobody is told them who has not asked. */
  readonly figures?: boolean
  /** The states of the nodes that are named, once: of `statesAskedMax` at most. */
  readonly states?: boolean
}

/** Nodes whose states one viewer is told at once. */
export const statesAskedMax = 16
export const fieldsSeenMax = 64
export const collectionsSeenMax = 256

export function isWanted({ type, nodeId }: Seen, { types, nodes }: InspectionFilter): boolean {
  return (types?.includes(type) ?? true) && (nodes?.includes(nodeId) ?? true)
}

export const lookMethod = 'look'
export const seenMethod = 'seen'
export const inspectionLeaseMsMax = 60_000
/** A viewer that asks for no more than this has seen enough. */
export const endingLeaseMs = 1
export const afreshMax = 1024
const filterMax = 64
const servicesMax = 1024
const serviceVersionsMax = 1024

export const reasonLengthMax = 4096
/** Versions of one node that are told, and the length of the names of classes and actors. */
export const versionsSeenMax = 1024
export const textSeenMax = 256

/** A reason may be a user's own text: it is cut where it is long, and half a surrogate pair can't travel. */
export function reasonSeen(reason: string | null): string | null {
  return reason === null ? null : reason.slice(0, reasonLengthMax).toWellFormed()
}

/** Undefined for what is no question. */
export function readInspectionRequest(value: unknown): InspectionRequest | undefined {
  if (!isObject(value)) return undefined
  const { looker, leaseMs, afresh = [], types, nodes, figures, states } = value
  if (!isName(looker) || typeof leaseMs !== 'number' || !(leaseMs > 0)) return undefined
  if (!Array.isArray(afresh) || afresh.length > afreshMax || !afresh.every(isName)) return undefined
  if (!areNamesOrNone(types) || !areNamesOrNone(nodes)) return undefined
  const asksStates = states === true && nodes != null && nodes.length <= statesAskedMax
  const only = {
    ...(types == null ? {} : { types }),
    ...(nodes == null ? {} : { nodes }),
    figures: figures === true,
    ...(asksStates ? { states: true } : {}),
  }
  const order = recordingOrderIn(value)
  return { looker, leaseMs: Math.min(leaseMs, inspectionLeaseMsMax), afresh, only, ...(order !== undefined && { order }) }
}

/**
 * Undefined for what is no batch. Fields and types that this version does not know are left
 * out: a later host may tell more.
 */
export function readSeenBatch(value: unknown): SeenBatch | undefined {
  if (!isObject(value)) return undefined
  const { hostId, epoch, number, dropped, seen, figures } = value
  if (!isName(hostId) || !isCount(epoch) || !isCount(number) || !isCount(dropped) || !Array.isArray(seen)) return undefined
  const told = Array.isArray(figures) && figures.length <= servicesMax ? figures.filter(areFigures) : []
  return { hostId, epoch, number, dropped, seen: seen.filter(isSeen).map(known), figures: told, ...recordedIn(value) }
}

/** Nothing else of it is kept. */
function known(seen: Seen): Seen {
  const { at, nodeId } = seen
  switch (seen.type) {
    case 'node': {
      const { type, hostId, service, className, version, phase, target, reason } = seen
      const chain = seen.chain.map((link) => ({ version: link.version, className: link.className, role: link.role }))
      return {
        type,
        at,
        nodeId,
        hostId,
        service,
        className,
        version,
        phase,
        target,
        reason,
        chain,
        calls: knownCalls(seen.calls),
      }
    }
    case 'gone':
      return { type: seen.type, at, nodeId }
    case 'phase': {
      const { type, n, phase, target, reason } = seen
      return { type, at, n, nodeId, phase, target, reason }
    }
    case 'calls':
      return { type: seen.type, at, nodeId, calls: knownCalls(seen.calls) }
    case 'statechart': {
      const { type, target, run, manager, event } = seen
      return { type, at, nodeId, target, run, manager, event }
    }
    case 'state': {
      const { type, memory } = seen
      const states = seen.states.map(({ version, className, isObject, collections, ...root }) => ({
        version,
        className,
        isObject,
        collections,
        ...knownFields(root),
      }))
      return { type, at, nodeId, states, memory: memory === null ? null : knownFields(memory) }
    }
    case 'rewound': {
      const { type, target, replayed, differing, told, from, differences } = seen
      return { type, at, nodeId, target, replayed, differing, told, from, differences }
    }
  }
}

function knownFields({ fields, values }: FieldsSeen): FieldsSeen {
  return { fields, values }
}

function knownCalls(calls: readonly CallsSeen[]): readonly CallsSeen[] {
  return calls.map(([version, count]) => [version, count])
}

/**
 * Whether this is something a host may tell. Recordings and other hosts are not trusted to be well formed.
 */
export function isSeen(value: unknown): value is Seen {
  if (!isObject(value) || typeof value.at !== 'number' || !isName(value.nodeId)) return false
  switch (value.type) {
    case 'node':
      return isPhaseOf(value) && isVersion(value.version) && areLinks(value.chain) && areCalls(value.calls) && isNamed(value)
    case 'gone':
      return true
    case 'phase':
      return isPhaseOf(value) && isCount(value.n)
    case 'calls':
      return areCalls(value.calls)
    case 'statechart':
      return (
        isVersion(value.target) && isCount(value.run) && isText(value.manager) && isObject(value.event) && isEvent(value.event)
      )
    case 'state':
      return (
        Array.isArray(value.states) && value.states.length <= versionsSeenMax && value.states.every(isSlot) && isMemory(value)
      )
    case 'rewound':
      return isRewoundSeen(value)
    default:
      return false
  }
}

function isMemory({ memory }: Fields): boolean {
  return memory === null || (isObject(memory) && areFields(memory))
}

function isSlot(value: unknown): boolean {
  if (!isObject(value) || !isVersion(value.version) || !isText(value.className) || typeof value.isObject !== 'boolean')
    return false
  return areTexts(value.collections, collectionsSeenMax) && areFields(value)
}

function areFields({ fields, values }: Fields): boolean {
  return areTexts(fields, fieldsSeenMax) && (values === null || (Array.isArray(values) && values.length === fields.length))
}

function areTexts(value: unknown, most: number): value is readonly string[] {
  return Array.isArray(value) && value.length <= most && value.every((text) => isText(text))
}

type Fields = Record<string, unknown>

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

function isPhaseOf({ phase, target, reason }: Fields): boolean {
  return isPhase(phase) && (target === null || isVersion(target)) && (reason === null || isText(reason, reasonLengthMax))
}

function isText(value: unknown, lengthMax = textSeenMax): value is string {
  return typeof value === 'string' && value.length <= lengthMax
}

function isNamed({ hostId, service, className }: Fields): boolean {
  return isName(hostId) && isName(service) && isText(className)
}

function areLinks(value: unknown): boolean {
  return (
    Array.isArray(value) &&
    value.length <= versionsSeenMax &&
    value.every((link) => isObject(link) && isVersion(link.version) && isText(link.className) && isRole(link.role))
  )
}

function isRole(value: unknown): boolean {
  return value === 'object' || value === 'pastSO' || value === 'futureSO' || value === 'alias'
}

function areCalls(value: unknown): boolean {
  return (
    Array.isArray(value) &&
    value.length <= versionsSeenMax &&
    value.every((pair) => Array.isArray(pair) && isVersion(pair[0]) && isCount(pair[1]))
  )
}

function areNamesOrNone(value: unknown): value is readonly string[] | undefined | null {
  return value == null || (Array.isArray(value) && value.length <= filterMax && value.every(isName))
}

function isLimit(value: unknown): boolean {
  if (!isObject(value)) return false
  return [value.nodes, value.percent].every(
    (amount) => amount === undefined || (typeof amount === 'number' && amount > 0 && Number.isFinite(amount)),
  )
}

function areFigures(value: unknown): value is FiguresSeen {
  if (!isObject(value) || typeof value.at !== 'number' || !isName(value.service) || !isLimit(value.limit)) return false
  const { versions } = value
  return Array.isArray(versions) && versions.length <= serviceVersionsMax && versions.every(areVersionFigures)
}

function areVersionFigures(value: unknown): value is VersionFigures {
  if (!isObject(value) || !isVersion(value.version)) return false
  const { calls, simulated, refused, failed, times } = value
  if (![calls, simulated, refused, failed].every(isCount)) return false
  return Array.isArray(times) && times.length <= timeBuckets && times.every(isCount)
}

function isEvent({ type, actor }: Fields): boolean {
  return isText(type) && type.startsWith('@xstate.') && isText(actor)
}

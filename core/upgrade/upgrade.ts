/**
 * An upgrade moves the system from one version to the next (§2): a set of class upgrades ⟨old-class,
 * new-class, TF, SF, past-SO, future-SO⟩. "The upgrade designer only needs to understand two versions: the
 * new one and the preceding one."
 */
import { type Duration, milliseconds } from '../base/duration.js'
import { Fault } from '../base/fault.js'
import { isNodeFilter, type NodeFilter } from '../model/nodeFilter.js'
import {
  type ClassDescription,
  type CollectionsOf,
  checkDeclaredCalls,
  describeClass,
  isNodeClass,
  type Methods,
  type NodeClass,
  type StateOf,
} from '../model/nodeObject.js'
import { type RecordRules, type Records, recordRules } from '../model/recordTransform.js'
import {
  type FutureSO,
  type InitialCollections,
  isSimulation,
  isSO,
  type None,
  type NotNeeded,
  type NotNeededOver,
  noCollections,
  none,
  notNeeded,
  type PastSO,
  type Simulation,
  whyNotAsIs,
} from '../model/simulation.js'
import { checkTables, type TableEntries } from '../model/tables.js'
import type { Transform, TransformCollections } from '../model/transform.js'
import { serversOf } from '../schedules/awaitedServers.js'
import { isPromiseList, promisesMax, type RolloutPromise } from '../schedules/rolloutPromise.js'
import type { Schedule } from '../schedules/schedule.js'
import { defaultGate, type GateLimits } from './gateLimits.js'
import { type RewindLimits, type RewindOptions, rewindLimits } from './rewindLimits.js'

/**
 * How long the phases of one node's upgrade may take. A phase that takes longer ends as DESIGN
 * §5 says for its failure.
 */
export interface PhaseTimeouts {
  readonly drainTimeoutMs: number
  readonly transformTimeoutMs: number
  readonly startTimeoutMs: number
}

export const defaultTimeouts: PhaseTimeouts = { drainTimeoutMs: 10_000, transformTimeoutMs: 600_000, startTimeoutMs: 30_000 }

/** A class upgrade as the runtime uses it: types erased, defaults filled in. */
export interface ClassUpgrade {
  readonly oldClass: NodeClass
  readonly newClass: NodeClass
  readonly pastSO: Simulation | NotNeeded | None
  readonly futureSO: Simulation | NotNeeded | None
  readonly schedule: Schedule
  /**
   * The services that its nodes go after, if they go after their servers. Known when the upgrade is whole.
   */
  readonly servers: readonly string[]
  /** The nodes it is restricted to; null: all. */
  readonly only: NodeFilter | null
  readonly transform: (old: any, future: any, collections: TransformCollections) => object | Promise<object>
  /** The collections that are made record by record (§8); null: none. */
  readonly records: RecordRules | null
  /** How to go back; null: there is no way. */
  readonly inverse: MadeInverse | null
  /** How far back it can be rewound (§8); null: its nodes record nothing. */
  readonly rewind: RewindLimits | null
  /** The methods that answer otherwise on purpose, and why; left out: none. */
  readonly changes?: MeantChanges
  readonly timeouts: PhaseTimeouts
}

/** By the name of a method, the reason why it answers otherwise than before. */
export type MeantChanges = Readonly<Record<string, string>>

/** The way back as the runtime uses it. */
export interface MadeInverse {
  readonly transform: ClassUpgrade['transform']
  readonly records: RecordRules | null
  readonly future: Simulation['initial'] | undefined
  readonly futureRecords: RecordRules | null
}

/** The way back, written beside an upgrade: the roles are turned round. */
export interface Inverse<
  New,
  PastState,
  Old,
  Back extends Old,
  FutureState,
  NewRecords,
  OldRecords,
  Carried extends string = string,
> {
  /**
   * From the new class's state and the past-SO's to the old class's: what was written through
   * either version since.
   */
  readonly transform: Transform<New, PastState, Old, Back, Carried>
  /**
   * The state with which the future-SO answers the version that is left, made of the new class's: nothing of
   * it is lost if that is undone.
   */
  readonly future?: (state: Readonly<New>, collections: InitialCollections) => FutureState | Promise<FutureState>
  /**
   * Collections made record by record (§8). A record that nobody has written to since the flip is as it was
   * before, without being asked here.
   */
  readonly records?: Records<NewRecords, OldRecords>
  /** The future-SO's collections, in the same way. */
  readonly futureRecords?: Records<NewRecords, Record<string, any>>
}

/**
 * The collections of `To` into which those of `From` can be copied as they are: both have them,
 * and the records fit.
 */
export type Carried<From extends NodeClass, To extends NodeClass> = {
  [Name in keyof CollectionsOf<From> &
    keyof CollectionsOf<To> &
    string]: CollectionsOf<From>[Name] extends CollectionsOf<To>[Name] ? Name : never
}[keyof CollectionsOf<From> & keyof CollectionsOf<To> & string]

/**
 * A class upgrade as the upgrader writes it. The compiler refuses a transform that misses or invents a field,
 * an SO that simulates another class, and `notNeeded` where the types do not bear it out.
 */
export function upgradeClass<
  Old extends NodeClass,
  New extends NodeClass,
  FutureState,
  PastState,
  Result extends StateOf<New>,
  Back extends StateOf<Old>,
>(parts: {
  readonly oldClass: Old
  readonly newClass: New
  readonly futureSO: FutureSO<New, Old, FutureState> | None | NotNeededOver<InstanceType<New>, InstanceType<Old>>
  readonly pastSO: PastSO<Old, New, PastState> | None | NotNeededOver<InstanceType<Old>, InstanceType<New>>
  readonly transform: Transform<StateOf<Old>, FutureState, StateOf<New>, Result, Carried<Old, New>>
  /**
   * Collections that are made record by record: of the old object's record and, `beside`, the future-SO's
   * (§8). The flip does not wait for them. A collection named here is not the transform function's to write.
   */
  readonly records?: Records<CollectionsOf<Old>, CollectionsOf<New>>
  /** The way back. Without it the upgrade is a point of no return. */
  readonly inverse?: Inverse<
    StateOf<New>,
    PastState,
    StateOf<Old>,
    Back,
    FutureState,
    CollectionsOf<New>,
    CollectionsOf<Old>,
    Carried<New, Old>
  >
  /**
   * Keeps the state of before the flip and records all operations since, within these bounds (§8). "natsctl
   * rollout rewind" brings that state back and replays them, which also undoes what a wrong upgrade has
   * spoilt.
   */
  readonly rewind?: RewindOptions
  /**
   * The methods that answer otherwise than before on purpose, each with the reason: a fault that is mended,
   * say. `check` reports their differences as meant, and everything else as before.
   */
  readonly changes?: { readonly [Name in keyof (Methods<InstanceType<Old>> & Methods<InstanceType<New>>)]?: string }
  readonly schedule: Schedule
  /**
   * Restricts it to some nodes. Where neither simulation object is needed the others advance with their
   * class, and a later upgrade of the service names both. Elsewhere both have to be there: the others keep
   * their class and answer the new version by the future-SO, until a later upgrade of the new class takes
   * them along.
   */
  readonly only?: NodeFilter
  readonly drainTimeout?: Duration
  readonly transformTimeout?: Duration
  readonly startTimeout?: Duration
}): ClassUpgrade {
  const made: ClassUpgrade = {
    oldClass: parts.oldClass,
    newClass: parts.newClass,
    pastSO: parts.pastSO,
    futureSO: parts.futureSO,
    schedule: parts.schedule,
    servers: [],
    only: parts.only ?? null,
    transform: parts.transform as ClassUpgrade['transform'],
    records: recordRules(parts.records, 'records'),
    inverse: parts.inverse === undefined ? null : inverseOf(parts.inverse as AnyInverse),
    rewind: parts.rewind === undefined ? null : limitsOf(parts.rewind),
    ...(parts.changes === undefined ? {} : { changes: { ...(parts.changes as MeantChanges) } }),
    timeouts: {
      drainTimeoutMs: milliseconds(parts.drainTimeout ?? defaultTimeouts.drainTimeoutMs),
      transformTimeoutMs: milliseconds(parts.transformTimeout ?? defaultTimeouts.transformTimeoutMs),
      startTimeoutMs: milliseconds(parts.startTimeout ?? defaultTimeouts.startTimeoutMs),
    },
  }
  checkClassUpgrade(made)
  return made
}

function limitsOf(options: RewindOptions): RewindLimits {
  const limits = rewindLimits(options)
  if (limits !== undefined) return limits
  throw new Fault(
    'upgrade.invalid',
    "rewind: use { for: '24h' }; operations and bytes are whole numbers above 0, queries is true or false",
  )
}

type AnyInverse = Inverse<any, any, any, any, any, any, any>

function inverseOf({ transform, future, records, futureRecords }: AnyInverse): MadeInverse {
  return {
    transform: transform as ClassUpgrade['transform'],
    records: recordRules(records, 'inverse.records'),
    future,
    futureRecords: recordRules(futureRecords, 'inverse.futureRecords'),
  }
}

function checkClassUpgrade(upgrade: ClassUpgrade): void {
  for (const part of ['oldClass', 'newClass'] as const) {
    if (!isNodeClass(upgrade[part]))
      throw new Fault('upgrade.invalid', `a class upgrade’s ${part} is not a class that extends NodeObject`)
  }
  const old = describeClass(upgrade.oldClass)
  const next = describeClass(upgrade.newClass)
  const wrong = (message: string): never => {
    throw new Fault('upgrade.invalid', `class upgrade ${old.className} → ${next.className}: ${message}`)
  }
  checkDeclaredCalls(upgrade.newClass)
  if (old.className === next.className) wrong('the new class needs a name of its own')
  if (old.service !== next.service)
    wrong(
      `the old class is of service ${old.service}, the new one of ${next.service}: give both "static override readonly service = '…'"`,
    )
  // A local service gets shards once. Its nodes stay where they are until they are moved.
  if (old.shards !== next.shards && old.shards !== null)
    wrong(`the old class has ${shardsText(old.shards)}, the new one ${shardsText(next.shards)}: a service keeps its shards`)
  checkSimulation(upgrade.futureSO, 'futureSO', next, old, wrong)
  checkSimulation(upgrade.pastSO, 'pastSO', old, next, wrong)
  checkChanges(upgrade.changes ?? {}, old, next, wrong)
  if (upgrade.only !== null) checkOnly(upgrade, upgrade.only, wrong)
  if (upgrade.inverse !== null) checkInverse(upgrade, upgrade.inverse, wrong)
  if (typeof upgrade.transform !== 'function') wrong('transform is not a function')
  if (typeof upgrade.schedule?.run !== 'function') wrong('schedule is missing: use eagerly() or gradually(…)')
}

function checkChanges(
  changes: MeantChanges,
  old: ClassDescription,
  next: ClassDescription,
  wrong: (message: string) => never,
): void {
  for (const [name, reason] of Object.entries(changes)) {
    if (!old.methods.has(name) && !next.methods.has(name)) wrong(`changes: neither class has a method ${name}`)
    if (typeof reason !== 'string' || reason.trim() === '') wrong(`changes: say in a few words why ${name} answers otherwise`)
  }
}

function shardsText(shards: number | null): string {
  return shards === null ? 'no shards' : `${shards} shards`
}

function checkInverse({ futureSO }: ClassUpgrade, inverse: MadeInverse, wrong: (message: string) => never): void {
  if (typeof inverse.transform !== 'function') wrong('inverse.transform is not a function')
  if (inverse.future !== undefined || !isSO(futureSO)) return
  const state = futureSO.initial(undefined, noCollections)
  if (Object.keys(state).length > 0)
    wrong('inverse.future is missing: it makes the state that the future-SO has after an undo, of the new class’s state')
}

/** Callers of one version can't be asked to know which node has which of two classes: each answers both. */
function checkOnly({ futureSO, pastSO }: ClassUpgrade, only: NodeFilter, wrong: (message: string) => never): void {
  if (!isNodeFilter(only)) wrong("only is { nodes: ['n1', 'eu-*'] }, { facts: { zone: 'eu' } }, or both")
  if (futureSO === none || pastSO === none)
    wrong('with "only" there have to be a pastSO and a futureSO, or they are notNeeded: each node answers both versions')
}

function checkSimulation(
  so: Simulation | NotNeeded | None,
  role: 'pastSO' | 'futureSO',
  simulated: ClassDescription,
  over: ClassDescription,
  wrong: (message: string) => never,
): void {
  if (so === none) return
  if (so === notNeeded) {
    for (const name of simulated.methods.keys()) {
      const why = whyNotAsIs(name, simulated, over)
      if (why !== undefined) wrong(`its ${role} is needed for ${name}: ${why}`)
    }
    return
  }
  if (!isSimulation(so, role)) {
    wrong(`${role} is neither a ${role}(…), notNeeded nor none`)
    return
  }
  if (so.simulates.className !== simulated.className)
    wrong(`its ${role} simulates ${so.simulates.className}, not ${simulated.className}`)
  if (so.over.className !== over.className) wrong(`its ${role} stands over ${so.over.className}, not ${over.className}`)
}

const brand: unique symbol = Symbol.for('theseus.upgrade') as never

/** One upgrade: what a bundle's default export is. */
export interface Upgrade {
  readonly [brand]: true
  readonly title: string
  readonly classUpgrades: readonly ClassUpgrade[]
  /**
   * Entries of upgrade-specific tables (§4), by table and key: they are in the upgrade database as soon as
   * the upgrade is installed.
   */
  readonly tables: TableEntries
  /**
   * Classes that go on as they are, and call or hear what is upgraded: it is checked when the upgrade is
   * built that they can.
   */
  readonly unaffected: readonly NodeClass[]
  /** When the rollout pauses itself; null: never. */
  readonly gate: GateLimits | null
  /** The promises that hold while nodes go: its own, and those of its schedules. */
  readonly promises: readonly RolloutPromise[]
}

export interface UpgradeParts {
  readonly title: string
  readonly classUpgrades: readonly ClassUpgrade[]
  readonly tables?: TableEntries
  readonly unaffected?: readonly NodeClass[]
  /**
   * When the rollout pauses itself: by default for any node in trouble, and when five of a hundred calls more
   * throw. `'open'`: never.
   */
  readonly gate?: Partial<GateLimits> | 'open'
  /**
   * The promises that have to hold while nodes go: `keeps(…)`, `covered(…)`, `doneWithin(…)`. A plan
   * (`natsctl upgrade plan`) says whether they do. A rollout that is about to break one of them is paused.
   */
  readonly promises?: readonly RolloutPromise[]
}

/**
 * Throws `upgrade.invalid` for two class upgrades of one class, for a class that one upgrade makes and
 * another one takes, and for one that was not made by `upgradeClass`.
 */
export function defineUpgrade(parts: UpgradeParts): Upgrade {
  const wrong = (message: string): never => {
    throw new Fault('upgrade.invalid', `upgrade "${parts.title}": ${message}`)
  }
  const { title, classUpgrades, tables = {}, unaffected = [] } = parts
  if (typeof title !== 'string') wrong('the title is not a text')
  if (!Array.isArray(classUpgrades)) wrong('classUpgrades is not a list')
  const old = new Set<string>()
  for (const { timeouts } of classUpgrades) if (timeouts === undefined) wrong('write each class upgrade as upgradeClass({ … })')
  const made = new Set(classUpgrades.map(({ newClass }) => newClass.className))
  for (const { oldClass } of classUpgrades) {
    const { className } = oldClass
    if (old.has(className) || made.has(className)) wrong(`${className} is in two class upgrades`)
    old.add(className)
  }
  checkTables(tables)
  const whole = classUpgrades.map((each) => ({ ...each, servers: serversOf(each, classUpgrades) }))
  const promises = promisesOf(parts)
  if (promises.length > 0 && !isPromiseList(promises))
    wrong(`promises: use at most ${promisesMax} of keeps(…), covered(…) and doneWithin(…)`)
  return { [brand]: true, title, classUpgrades: whole, tables, unaffected, gate: gateOf(parts.gate ?? {}), promises }
}

/** Each once: class upgrades may share a schedule. */
function promisesOf({ promises = [], classUpgrades }: UpgradeParts): readonly RolloutPromise[] {
  const all = [...promises, ...classUpgrades.flatMap(({ schedule }) => schedule.promises ?? [])]
  return [...new Map(all.map((promise) => [JSON.stringify(promise), promise])).values()]
}

function gateOf(gate: Partial<GateLimits> | 'open'): GateLimits | null {
  if (gate === 'open') return null
  const limits = { ...defaultGate, ...gate }
  // A share above 1 would be a gate that no failure closes: 5 for five percent, most likely.
  const isShare = limits.moreFailuresMax >= 0 && limits.moreFailuresMax <= 1
  if (isShare && limits.slowerMax >= 1 && limits.callsMin >= 1) return limits
  throw new Fault(
    'upgrade.invalid',
    'gate: use { moreFailuresMax: 0.05, slowerMax: 2, callsMin: 200 }, or "open"; moreFailuresMax is a share from 0 to 1',
  )
}

export function isUpgrade(value: unknown): value is Upgrade {
  return typeof value === 'object' && value !== null && (value as Upgrade)[brand] === true
}

/**
 * A plan: everything that a rehearsal will do, as data. Made from a seed, printed as a story, shrunk by
 * leaving steps out. The details beside the plan (how long a message takes, which is lost) are drawn from the
 * seed while the world runs.
 */
import type { Phase, ServiceLimit, Version } from 'theseus-actors'
import type { KeyRange } from '../../core/model/collection.js'
import type { Habit } from './code/habits.js'
import type { TableChange } from './code/table.js'
import type { Walk } from './code/walks.js'
import type { Dimension } from './operations/dimensions.js'
import type { OperationStep } from './operations/operationPlan.js'
import type { ShardsPlan } from './shards/shardPlan.js'

export type ServiceName = 'ledger' | 'teller'
export const serviceNames: readonly ServiceName[] = ['ledger', 'teller']

/**
 * An append-only list of operations that a service's nodes keep. Each node has one history of
 * it, whatever upgrades do to it.
 */
export interface Register {
  readonly name: string
  readonly kept: 'root' | 'collection'
  /** An operation that is added here is added to `main` in the same command. */
  readonly mirrored: boolean
  /**
   * How its records are written in a collection: each lazy upgrade of its class writes them in another form,
   * so that none is made twice.
   */
  readonly form: number
}

/** The change that an upgrade makes to a class. */
export type Change =
  /** A new register: independent state of the new version (§7.2). */
  | { readonly kind: 'grow'; readonly register: Register }
  /** A register that the new version has no more: the past-SO keeps it. */
  | { readonly kind: 'drop'; readonly register: string }
  /** The register's read answers in another form: dependent state, mapped by the SOs. */
  | { readonly kind: 'reshape'; readonly register: string }
  /** The register is kept elsewhere; what callers see stays the same. */
  | { readonly kind: 'move'; readonly register: string }
  /** A new command that can't be carried out through the older object. */
  | { readonly kind: 'strike' }

export type SimulationPlan = 'so' | 'notNeeded' | 'none'

/**
 * The trouble that a function of the upgrade makes for its node. `UntilHealed`: as long as the
 * plan's troubles last.
 */
export type Trouble = 'none' | 'slow' | 'throwsOnce' | 'throwsUntilHealed' | 'hangsUntilHealed' | 'throwsForGood'

export type SchedulePlan =
  | { readonly kind: 'eagerly' }
  | { readonly kind: 'gradually'; readonly everyMs: number; readonly probability: number }
  | { readonly kind: 'atMost'; readonly nodes: number }
  | { readonly kind: 'oneReplicaAtATime' }
  /** Without their names they are those that its class calls. */
  | { readonly kind: 'afterMyServers'; readonly isNamed: boolean }
  /** When a table of the upgrade database permits it. */
  | { readonly kind: 'permitted' }
  | { readonly kind: 'steps'; readonly bakeMs: number }
  | { readonly kind: 'whenIdle'; readonly forMs: number }

export interface ClassUpgradePlan {
  readonly service: ServiceName
  readonly change: Change
  readonly futureSO: SimulationPlan
  readonly pastSO: SimulationPlan
  readonly schedule: SchedulePlan
  /**
   * Whether what is kept in collections is made record by record, when it is asked for or in passing (§8).
   */
  readonly isLazy: boolean
  /** Whether its scheduling function reads all of the node's state all the time. */
  readonly isWatched: boolean
  /** The nodes that it is restricted to (§2), by id; null: all. */
  readonly only: readonly string[] | null
  /** Its nodes keep what was before the flip, and record what they do. */
  readonly isRecorded?: true
  readonly troubles: {
    readonly schedule: Trouble
    readonly transform: Trouble
    /** Of the transform that goes back. */
    readonly inverse: Trouble
    /** Of the function that makes a record. */
    readonly record: Trouble
    readonly check: Trouble
    readonly start: Trouble
  }
}

export interface UpgradePlan {
  /** The version that it undoes, and is made of (`undos.ts`). */
  readonly undoes: Version | null
  /** The undo is a rewind (§8). */
  readonly rewinds?: true
  /** Whether its rollout pauses itself when a node is in trouble. */
  readonly isGated: boolean
  readonly classUpgrades: readonly ClassUpgradePlan[]
  /**
   * A bundle that is not what its manifest says is rejected; `untilHealed`: its loading fails
   * as long as the troubles last.
   */
  readonly bundle: 'good' | 'badUntilHealed' | 'bad'
}

export interface NodePlan {
  readonly nodeId: string
  readonly service: ServiceName
  readonly host: string
  /** The group that it is a member of, by the name of its service. */
  readonly group?: string
}

/**
 * How a command goes about its work. A command that lingers outlasts a drain; one that fails leaves no trace.
 */
export type Manner =
  | 'plainly'
  | 'slowly'
  | 'lingering'
  | 'failing'
  | 'slowlyFailing'
  /** Throws what has no text, or more than a message takes. */
  | 'throwingOddly'
  | 'throwingHugely'
  /** Answers with a thenable that is no promise. */
  | 'thenable'
  /** Does not end before the troubles are over. */
  | 'endless'

/** The calls of a client. `service` calls go to whichever node takes them. */
export type Asked =
  | { readonly what: 'add'; readonly register: string; readonly manner: Manner }
  | { readonly what: 'read'; readonly register: string }
  | { readonly what: 'strike' }
  /** A teller's: calls the ledger, sends to it, asks it, or sets a timer. */
  | { readonly what: 'forward' | 'ask'; readonly ledger: string }
  | { readonly what: 'tell'; readonly ledger: string; readonly manner: Manner }
  | { readonly what: 'later'; readonly ms: number; readonly manner: Manner }
  /** A teller's too: tells all ledgers at once, by an event. */
  | { readonly what: 'announce'; readonly manner: Manner }
  /** Such an event as an upgrade has introduced. */
  | { readonly what: 'rumour' }
  | { readonly what: 'walk'; readonly walk: Walk }
  | { readonly what: 'set'; readonly change: TableChange }
  | { readonly what: 'setLater'; readonly change: TableChange; readonly ms: number }
  | { readonly what: 'table'; readonly range: KeyRange }

/**
 * When a host is killed: at once, around its so-many-th commit or message from now on, or when
 * a node of it enters a phase.
 */
export type CrashMoment =
  | { readonly at: 'once' }
  | { readonly at: 'beforeCommit' | 'afterCommit' | 'message'; readonly count: number }
  | { readonly at: 'phase'; readonly phase: Phase; readonly count: number }
  /** When it has sent an append to the log of a shard; or when that has arrived, and nobody has told it. */
  | { readonly at: 'append' | 'appended'; readonly count: number }

export type Step = OperationStep | BasicStep

type BasicStep = {
  readonly atMs: number
} /** By so many operators at once. An undo is published too. */ & (
  | { readonly kind: 'publish'; readonly version: Version; readonly publishers: number }
  | ({ readonly kind: 'call'; readonly client: string; readonly service: ServiceName; readonly node: string | null } & {
      readonly version: Version
      /** The client names no version: its reference is pinned to the newest that has the class. */
      readonly isPinned: boolean
      /** Whether the client is registered at the version that it calls, and keeps it alive. */
      readonly isRegistered: boolean
      readonly deadlineMs: number
      readonly asked: Asked
    })
  /** A client pins itself to a version as soon as that is dead: too late. */
  | {
      readonly kind: 'pinDead'
      readonly client: string
      readonly service: ServiceName
      readonly node: string
      readonly version: Version
    }
  | { readonly kind: 'join'; readonly node: NodePlan }
  | {
      readonly kind: 'leave'
      readonly host: string
      readonly forMs: number | null
      /** An operator takes it that its nodes will not come back, and forgets them. */
      readonly isForgotten: boolean
    }
  | { readonly kind: 'crash'; readonly host: string; readonly moment: CrashMoment; readonly forMs: number }
  | { readonly kind: 'serverCrash'; readonly server: string; readonly messages: number; readonly forMs: number }
  /** Another host starts a node that has its state elsewhere: it must be refused. */
  | { readonly kind: 'duplicateNode'; readonly nodeId: string; readonly host: string }
  | { readonly kind: 'cutOff'; readonly host: string; readonly forMs: number }
  | { readonly kind: 'partition'; readonly from: string; readonly to: string; readonly forMs: number }
  | { readonly kind: 'weather'; readonly forMs: number; readonly weather: Weather }
  | { readonly kind: 'diskFull' | 'diskSlow'; readonly host: string; readonly forMs: number }
  | { readonly kind: 'databaseAway' | 'databaseFlaky'; readonly forMs: number }
  /** As soon as all nodes are past the version. */
  | { readonly kind: 'awayWhenLeft'; readonly version: Version; readonly forMs: number }
  | { readonly kind: 'retry'; readonly nodeId: string }
  /**
   * The requests of operators through the upgrade database. Pauses of an undo stay to the end:
   * they hold nobody.
   */
  | { readonly kind: 'pause'; readonly version: Version; readonly forMs: number }
  | { readonly kind: 'hold'; readonly nodeId: string; readonly forMs: number }
  | { readonly kind: 'now'; readonly nodeId: string }
  | { readonly kind: 'retryVersion' | 'finalize'; readonly version: Version }
  /** The upgrade database's table permits the node to upgrade, to whatever comes. */
  | { readonly kind: 'permit'; readonly nodeId: string }
  /** No announcement of an upgrade reaches this host. */
  | { readonly kind: 'unannounced'; readonly host: string; readonly forMs: number }
)

/** The fate of messages: shares of 1, and the longest delay. */
export interface Weather {
  readonly delayMs: number
  readonly lost: number
  readonly duplicated: number
  readonly late: number
}

export const calm: Weather = { delayMs: 2, lost: 0, duplicated: 0, late: 0 }

export interface Plan {
  readonly seed: number
  readonly habits: readonly Habit[]
  /** The dimensions that it goes through beside the basic troubles. */
  readonly dimensions: readonly Dimension[]
  readonly hosts: readonly string[]
  readonly servers: readonly string[]
  readonly clients: readonly string[]
  readonly limit: ServiceLimit
  readonly registers: Readonly<Record<ServiceName, readonly Register[]>>
  /** Left out where no service is sharded. */
  readonly shards?: ShardsPlan
  readonly nodes: readonly NodePlan[]
  readonly upgrades: readonly UpgradePlan[]
  readonly steps: readonly Step[]
  /**
   * How often it is looked which versions nobody runs, and how long after that they are dead;
   * null: too late for this plan.
   */
  readonly deaths: { readonly roundMs: number; readonly delayMs: number } | null
  /** When a backup is made of a host's disk, which is put in its place when everything rests. */
  readonly backup: { readonly host: string; readonly atMs: number } | null
  /** When the troubles end. */
  readonly healAtMs: number
}

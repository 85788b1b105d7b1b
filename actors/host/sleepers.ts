/**
 * Nodes of a shard that are asleep and have to be awake for a while: those that an upgrade has not reached,
 * those whose birth was not completed, and those of which the upgrade database does not know as they are. An
 * owner that was killed may have committed what it had not told yet. The new owner wakes them in passing, a
 * few at a time.
 */
import { toFault } from '../../core/base/fault.js'
import type { Version } from '../../core/base/ids.js'
import type { HostObserver } from '../../core/inspection/hostEvents.js'
import { checkRecord, keys, type NodeRecord } from '../../core/model/nodeRecord.js'
import type { NodeRow } from '../../core/model/nodeRow.js'
import { shardOf } from '../../core/model/shard.js'
import type { Clock } from '../../core/ports/clock.js'
import { unpack } from '../../core/wire/codec.js'
import type { HostSettings } from '../base/settings.js'
import { sleep, within } from '../base/timeouts.js'
import type { Node } from '../node/node.js'
import { noAnswerFault } from '../registration/noAnswerFault.js'
import type { NodeRowCache } from '../registration/nodeRowCache.js'
import type { Journal } from '../state/journal.js'

export interface SleepersServices {
  readonly clock: Clock
  readonly journal: Journal
  readonly observe: HostObserver
  readonly settings: HostSettings
  readonly nodeRowCache: Pick<NodeRowCache, 'nodes'>
}

export interface ShardOfSleepers {
  /** For people. */
  readonly name: string
  readonly service: string
  readonly shard: number
  readonly shards: number
  /** It is left to others, or another has it. */
  readonly isEnding: boolean
  /** The node is awake, or on its way. */
  isAwake(nodeId: string): boolean
  /** Resolves with undefined if it can't be woken. */
  wake(nodeId: string): Promise<Node | undefined>
}

/** Records, and rows, that are looked at in one turn of the loop. */
const recordsPerTurn = 500
const rowsPerTurn = 5_000
/** A node that was woken is waited for so long before the next one is. */
const passingMsMax = 5_000
const pollMs = 50
/** The first pause before nodes that could not be woken are tried again; it doubles up to the longest. */
const againMs = 1_000
const againMsMax = 60_000

export class Sleepers {
  #reached: Version = -1
  #areRowsUnseen = true
  #isPassing = false
  #againMs = againMs
  #cancelAgain: () => void = () => {}

  constructor(
    private readonly shard: ShardOfSleepers,
    private readonly services: SleepersServices,
  ) {}

  /** Wakes those that have not reached the version. False if they have been woken for it already. */
  reach(version: Version): boolean {
    const isNew = version > this.#reached
    if (isNew) this.#reached = version
    if (!this.#isPassing) void this.#passAll()
    return isNew
  }

  /** The database has lost something: those that it does not have any more are woken. */
  tellAgain(): void {
    this.#areRowsUnseen = true
    if (!this.#isPassing && !this.shard.isEnding) void this.#passAll()
  }

  /** One that was to be woken could not be. */
  wakeLater(): void {
    if (this.#isPassing) return
    this.#cancelAgain()
    this.#passLater()
  }

  stop(): void {
    this.#cancelAgain()
  }

  async #passAll(): Promise<void> {
    this.#isPassing = true
    this.#cancelAgain()
    let areAllWoken = true
    let areRowsForLater = false
    try {
      areAllWoken = await this.#completeBirths()
      for (let done = -1; !this.shard.isEnding && (done < this.#reached || (this.#areRowsUnseen && !areRowsForLater)); ) {
        if (done < this.#reached) {
          const goal = this.#reached
          areAllWoken = (await this.#pass(goal, (record) => isBehind(record, goal))) && areAllWoken
          done = goal
        } else {
          const rows = await this.#rows()
          const isTried = rows !== undefined && (await this.#pass(done, (record) => !isTold(record, rows.get(record.nodeId))))
          this.#areRowsUnseen = !isTried
          areAllWoken &&= isTried
          areRowsForLater = !isTried
        }
      }
    } catch (error) {
      areAllWoken = false
      if (!this.shard.isEnding) {
        const message = `${this.shard.name}: its sleeping nodes could not be looked at; it is tried again`
        this.services.observe({ type: 'warning', message, error: toFault(error, 'unavailable.storage') })
      }
    } finally {
      this.#isPassing = false
    }
    if (areAllWoken) this.#againMs = againMs
    else this.#passLater()
  }

  #passLater(): void {
    if (this.shard.isEnding) return
    this.#cancelAgain = this.services.clock.after(this.#againMs, () => void this.#passAll())
    this.#againMs = Math.min(this.#againMs * 2, againMsMax)
  }

  /** The database's rows of this shard's nodes. Undefined while it does not answer, or has lost something. */
  async #rows(): Promise<ReadonlyMap<string, NodeRow> | undefined> {
    const { clock, settings, nodeRowCache } = this.services
    const { service, shard, shards } = this.shard
    const asked = within(clock, settings.fenceAnswerMs, nodeRowCache.nodes(service), noAnswerFault)
    const rows = await asked.catch(() => undefined)
    if (rows === undefined) return undefined
    const mine = new Map<string, NodeRow>()
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i]!
      if (shardOf(row.nodeId, shards) === shard) mine.set(row.nodeId, row)
      if (i % rowsPerTurn === rowsPerTurn - 1) await this.#turn()
    }
    return mine
  }

  async #completeBirths(): Promise<boolean> {
    let areAllBorn = true
    for (const [key] of [...this.services.journal.range(...keys.allBirths)]) {
      const nodeId = key.slice(keys.birth('').length)
      if (!this.shard.isAwake(nodeId) && !this.shard.isEnding)
        areAllBorn = (await this.shard.wake(nodeId)) !== undefined && areAllBorn
    }
    return areAllBorn
  }

  /** Wakes those that are chosen. False if one of them can't be woken, or does not go on. */
  async #pass(goal: Version, isChosen: (record: NodeRecord) => boolean): Promise<boolean> {
    const { journal, settings } = this.services
    const waking = new Set<Promise<unknown>>()
    let looked = 0
    let areAllWoken = true
    for (const [, bytes] of journal.range(...keys.allRecords)) {
      const record = checkRecord(unpack(bytes))
      if (isChosen(record) && !this.shard.isAwake(record.nodeId)) {
        const woken = this.#passOne(record.nodeId, goal).then((isWoken) => {
          areAllWoken &&= isWoken
          waking.delete(woken)
        })
        waking.add(woken)
        if (waking.size >= settings.wakingMax) await Promise.race(waking)
      }
      if (++looked % recordsPerTurn === 0) await this.#turn()
      if (this.shard.isEnding) break
    }
    await Promise.all(waking)
    return areAllWoken
  }

  /**
   * Wakes it; resolves when it has gone on, or takes long. False if it is not there then: it may fall asleep
   * again before, where a database has lost the version that it was woken for.
   */
  async #passOne(nodeId: string, goal: Version): Promise<boolean> {
    const { clock } = this.services
    const node = await this.shard.wake(nodeId)
    if (node === undefined) return false
    const untilMs = clock.monotonicMs() + passingMsMax
    const isThere = () => node.phase === 'current' && node.version >= goal
    while (!this.shard.isEnding && !isThere() && clock.monotonicMs() < untilMs) await sleep(clock, pollMs)
    return isThere()
  }

  #turn(): Promise<void> {
    return new Promise((resolve) => this.services.clock.turn(resolve))
  }
}

function isBehind({ upgrade, newest, generation }: NodeRecord, goal: Version): boolean {
  return upgrade !== null || newest < goal || generation.version < goal || generation.lazy !== undefined
}

function isTold({ generation }: NodeRecord, row: NodeRow | undefined): boolean {
  // One that has come from a host may be registered there still.
  return row?.shard !== undefined && row.phase === 'current' && row.version === generation.version
}

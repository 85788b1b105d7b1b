/**
 * Knows what is on the disks of all nodes, alive or not, and which versions have been declared dead; holds
 * the one against the other.
 *
 * C8. A death passes no version that a registered node runs, or may run when it comes back, nor one that a
 * live client is pinned to; nothing is answered as dead before its death is in force; nobody goes back from a
 * final version; and a node that comes back at a dead version does nothing before it has upgraded.
 */

import type { NodeRow, NodeStatus, Version } from 'theseus-actors'
import type { Death } from '../../core/control/upgradeDatabase.js'
import type { NodeRecord } from '../../core/model/nodeRecord.js'
import { clientService } from '../../core/model/nodeRow.js'
import type { Write } from '../../core/ports/stateStore.js'
import { unpack } from '../../core/wire/codec.js'

export class DeadVersionChecker {
  readonly #records = new Map<string, NodeRecord>()
  /** Nodes that an operator has forgotten, until they are registered again: nobody waits for them. */
  readonly #forgotten = new Set<string>()
  readonly #restored = new Set<string>()
  /** The versions that each client is pinned to, of those that lived when it came. */
  readonly #pins = new Map<string, Set<Version>>()
  #death: Death = { below: 0, sinceMs: 0, inForce: 0 }
  #declared: Version = 0
  #final: Version = 0
  #inForceSinceMs = 0
  /** The deaths that were in force when the database lost data. */
  #inForceBefore: Version = 0
  /** Of that, what was on the disk of a node. */
  #keptBefore: Version = 0

  constructor(
    private readonly now: () => number,
    private readonly isReached: (client: string) => boolean,
    /**
     * A copy has the node, and has not registered it yet: the original goes on, and the copy's
     * disk is nobody's word.
     */
    private readonly isBetween: (nodeId: string) => boolean,
    private readonly violated: (rule: string, what: string) => void,
  ) {}

  /** @param isHere whether the node is at the host that has written: another may have an old copy of it */
  committed(writes: readonly Write[], isHere: (nodeId: string) => boolean): void {
    for (const [key, value] of writes) {
      if (key.startsWith('n/') && value !== null && isHere(key.slice(2)))
        this.#records.set(key.slice(2), unpack(value) as NodeRecord)
    }
  }

  /** Its disk is an old one: until it has upgraded, nobody knew that it could be found so. */
  restored(nodeId: string): void {
    this.#records.delete(nodeId)
    this.#restored.add(nodeId)
  }

  forgotten(nodeId: string): void {
    this.#forgotten.add(nodeId)
  }

  registered({ nodeId, service, hostId, version }: NodeStatus): void {
    this.#forgotten.delete(nodeId)
    // It speaks against a death that the database has lost: nobody can give that back.
    if (service !== clientService && version >= this.toldInForce) this.#keptBefore = Math.min(this.#keptBefore, version)
    if (service !== clientService || version < this.inForce) return
    const pins = this.#pins.get(hostId) ?? new Set<Version>()
    this.#pins.set(hostId, pins.add(version))
  }

  /** The process of a client has ended. */
  unpinned(client: string): void {
    this.#pins.delete(client)
  }

  /**
   * The database has lost data, and is on probation no more: of a node whose host was not heard meanwhile
   * nobody knows, until it registers again.
   */
  probationOver(isHeard: (nodeId: string) => boolean): void {
    for (const nodeId of this.#records.keys()) if (!isHeard(nodeId)) this.#forgotten.add(nodeId)
  }

  /** For good. */
  left(nodeId: string): void {
    this.#records.delete(nodeId)
  }

  /**
   * The database has told what is dead: a death that is due takes effect then, or is withdrawn because
   * somebody needs the version.
   */
  told(death: Death): void {
    const { inForce } = this
    if (death.inForce > inForce) {
      // With the next declaration the database may tell of this one for the first time that it is in force.
      const dueMs = [death, this.#death].find(({ below }) => below === death.inForce)?.sinceMs ?? 0
      if (this.now() + 1 < dueMs)
        this.violated('C8', `versions below ${death.inForce} are dead before their time: that is ${dueMs}`)
      for (const { nodeId, version } of this.#possible()) {
        if (version < death.inForce)
          this.violated('C8', `versions below ${death.inForce} are dead from now on, and ${nodeId} is at version ${version}`)
      }
      for (const [client, pins] of this.#pins) this.#passed(client, pins, death.inForce)
    }
    if (death.inForce > this.#death.inForce) this.#inForceSinceMs = this.now()
    if (death.inForce < this.#death.inForce)
      this.violated('C8', `versions below ${this.#death.inForce} were dead, and only those below ${death.inForce} are now`)
    this.#death = death
  }

  /** One that was not heard for its lease calls in vain from now on. */
  #passed(client: string, pins: Set<Version>, inForce: Version): void {
    for (const version of pins) {
      if (version >= inForce) continue
      pins.delete(version)
      if (this.isReached(client))
        this.violated('C8', `versions below ${inForce} are dead from now on, and ${client} is pinned to version ${version}`)
    }
  }

  declared(death: Death, rows: readonly NodeRow[]): void {
    const isNew = death.below > this.#declared
    this.#declared = death.below
    if (!isNew) return
    const { below } = death
    for (const { nodeId, version } of this.#possible()) {
      if (version < below)
        this.violated('C8', `versions below ${below} are declared dead, and ${nodeId} is at version ${version}`)
    }
    for (const { service, alive, version, nodeId } of rows) {
      // One that is pinned to a dead version calls in vain already.
      if (service === clientService && alive && version < below && version >= this.inForce)
        this.violated('C8', `versions below ${below} are declared dead, and client ${nodeId} calls at version ${version}`)
    }
  }

  /**
   * The database has another death than before. One that was in force is so for ever where a
   * node has heard of it.
   */
  lost(death: Death, final: Version): void {
    this.#final = final
    this.#inForceBefore = this.inForce
    this.#keptBefore = Math.max(this.#keptBefore, ...[...this.#records.values()].map(({ oldest }) => oldest))
    this.#declared = death.below
    this.#death = death
  }

  /**
   * Those who come back later, having been forgotten, go on from where they are: they may not go back again.
   */
  finalized(final: Version): void {
    if (final <= this.#final) return
    this.#final = final
    for (const { nodeId, version } of this.#possible()) {
      if (version < final) this.violated('C8', `version ${final} is made final, and ${nodeId} is at version ${version}`)
    }
  }

  /** Versions older than this one have been dead, whether anybody has heard of it or not. */
  get inForce(): Version {
    return Math.max(this.#death.inForce, this.#inForceBefore)
  }

  /**
   * The same as the database has it, which may have forgotten a death for good: a node that came back too
   * early spoke against it.
   */
  get toldInForce(): Version {
    return this.#death.inForce
  }

  /** Whether that is known: the database tells it, or it lost it when a node had heard of it already. */
  isKnownDead(version: Version): boolean {
    return version < Math.max(this.toldInForce, this.#keptBefore)
  }

  /**
   * Whether this node must answer so. One that could ask before the database lost a death is
   * the only one that knows of it.
   */
  isDeadAt(nodeId: string, version: Version): boolean {
    return this.isKnownDead(version) || version < (this.#records.get(nodeId)?.oldest ?? 0)
  }

  /** For how long the newest death has been in force; negative as long as it is not. */
  get inForceForMs(): number {
    return this.#death.below > this.toldInForce ? -1 : this.now() - this.#inForceSinceMs
  }

  called(op: string, version: Version): void {
    if (version >= this.inForce)
      this.violated('C8', `${op} is told that version ${version} is dead; below ${this.inForce} they are`)
  }

  /**
   * @param runs the version that the node runs: it may be on its way to the disk, for which answers wait
   * @param deadAtStart what was dead when the node's host started, if it can't have missed that
   */
  began(nodeId: string, op: string, runs: Version | undefined, deadAtStart: Version): void {
    const version = Math.max(runs ?? 0, this.#records.get(nodeId)?.generation.version ?? deadAtStart)
    if (version < deadAtStart)
      this.violated('C8', `${nodeId} does ${op} at version ${version}; when it came back those below ${deadAtStart} were dead`)
  }

  /** The oldest version that each node can be found running. */
  #possible(): { readonly nodeId: string; readonly version: Version }[] {
    return [...this.#records.values()]
      .filter(({ nodeId }) => !this.#forgotten.has(nodeId) && !this.#restored.has(nodeId) && !this.isBetween(nodeId))
      .map(({ nodeId, previous, generation }) => ({ nodeId, version: previous?.version ?? generation.version }))
  }
}

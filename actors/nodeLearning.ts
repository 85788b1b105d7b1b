/**
 * How a node learns of newer versions (§3, §5): by announcement, by asking, and by a call labelled with a version it has never heard of,
 * which waits here until the future-SOs up to that version are installed, and is then answered.
 */

import { concerning } from '../core/classLine.js'
import { pack, unpack } from '../core/codec.js'
import { Fault, isFault, reasonOf } from '../core/fault.js'
import type { Version } from '../core/ids.js'
import { checkRecord, keys, slot } from '../core/nodeRecord.js'
import type { Simulation } from '../core/simulation.js'
import type { IncomingCall } from './incomingCall.js'
import type { Turn } from './mailbox.js'
import type { Node } from './node.js'
import { backoffMs, sleep } from './timeouts.js'
import { isSO, noCollections } from './transformRun.js'

export class NodeLearning {
  #held: IncomingCall[] = []
  #answering = false
  #preparing: Promise<void> = Promise.resolve()
  #rejected: Fault | undefined
  #stopped = false

  constructor(private readonly node: Node) {}

  /** Why the version after the chain's newest is not answered, if its upgrade was rejected. */
  get rejected(): Fault | undefined {
    return this.#rejected
  }

  /** Keeps a call of an unknown version until that version is known, or the upgrade server says that there is none. */
  hold(call: IncomingCall): void {
    if (this.#stopped || this.#held.length >= this.node.services.settings.heldCallsMax) {
      call.refuse(
        new Fault('unavailable.overloaded', `${this.#held.length} calls of unknown versions wait for this node already`),
      )
      return
    }
    call.holdFor('unavailable.fetching')
    this.#held.push(call)
    if (!this.#answering) void this.#answerHeld()
  }

  /** Installs what this host has heard of, in the background; what fails is tried again when it is needed. */
  learn(version: Version): void {
    this.prepare(version).then(
      () => this.node.manager.consider(),
      () => this.node.manager.consider(),
    )
  }

  /** Installs the future-SOs of all versions up to `version`. Resolves also where an upgrade is rejected: the chain is cut there. */
  prepare(version: Version): Promise<void> {
    const prepared = this.#preparing.then(() => this.#prepare(version))
    this.#preparing = prepared.catch(() => {})
    return prepared
  }

  stop(): readonly Turn[] {
    this.#stopped = true
    const held = this.#held
    this.#held = []
    return held
  }

  /** The record as it is on disk, or on its way there: what was learned and lost is learned again. */
  reload(): void {
    const bytes = this.node.services.journal.get(keys.record(this.node.id))
    if (bytes !== undefined) this.node.adopt(checkRecord(unpack(bytes)))
  }

  /** Lets a rejected upgrade be verified once more. */
  async reconsider(): Promise<void> {
    if (this.#rejected === undefined) return
    this.node.services.history.reconsider(this.node.record.newest + 1)
    await this.node.mailbox.turn(() => {
      this.#rejected = undefined
      this.node.rebuildChain()
    })
  }

  async #prepare(version: Version): Promise<void> {
    const { history, classes } = this.node.services
    if (this.#stopped || this.#rejected !== undefined) return
    try {
      await history.fetch(version)
      while (this.node.record.newest < version && !this.#stopped) {
        const next = this.node.record.newest + 1
        const before = classes.line(this.node.record.generation.className)[next - 1]!
        if (concerning(history.manifests[next - 1]!, before) !== undefined) await history.load(next)
        await this.node.mailbox.turn(() => this.#extend(next, before))
      }
    } catch (error) {
      if (!isRejection(error)) throw error
      this.#rejected = new Fault(
        'version.rejected',
        `the upgrade to version ${this.node.record.newest + 1} was rejected: ${error.message}`,
        {
          code: error.code,
        },
      )
      await this.node.mailbox.turn(() => this.node.rebuildChain())
    }
  }

  /** "The UM installs the class upgrade's future-SO, which lets the node support (some) calls at the new version" (§3). */
  #extend(version: Version, className: string): void {
    const { history, journal } = this.node.services
    const { record } = this.node
    // Meanwhile the record may have gone back to what is on disk: the versions between are learned first.
    if (record.newest !== version - 1) return
    const futureSO = history.classUpgrade(version, className)?.futureSO
    let { generation } = record
    if (futureSO !== undefined && isSO(futureSO)) {
      const own = slot(generation.number, version)
      journal.write(keys.root(record.nodeId, own), initialOf(futureSO), this.node.state)
      generation = { ...generation, simulations: { ...generation.simulations, [version]: own } }
    }
    this.node.writeRecord({ ...record, newest: version, generation })
    this.node.rebuildChain()
  }

  async #answerHeld(): Promise<void> {
    this.#answering = true
    const { history, clock, random, settings } = this.node.services
    for (let failures = 0; this.#held.length > 0; ) {
      // One question answers for all labels below; those that are remembered as unknown ask none.
      const asked = [...this.#held]
      const unsure = asked.map((call) => call.envelope.label).filter((label) => !history.isUnknown(label))
      const version = Math.max(0, ...unsure)
      try {
        const label = (await history.knows(version)) ? version : history.heard
        await this.prepare(label)
        const lost = this.#release(asked)
        failures = 0
        // Only if what was learned has been lost meanwhile.
        if (lost) await sleep(clock, backoffMs(0, settings.backoffMs, settings.backoffMsMax, random.next()))
        this.node.manager.consider()
      } catch {
        this.#dropRefused()
        await sleep(clock, backoffMs(failures++, settings.backoffMs, settings.backoffMsMax, random.next()))
      }
    }
    this.#answering = false
  }

  /** After the newest version there is has been installed: what the chain still does not know, nobody knows. */
  #release(asked: readonly IncomingCall[]): boolean {
    let lost = false
    const released = new Set(asked)
    this.#held = this.#held.filter((call) => !released.has(call))
    for (const call of asked) {
      const { label } = call.envelope
      try {
        if (call.isRefused) continue
        if (this.node.chain.at(label) !== undefined) this.node.accept(call)
        else if (label <= this.node.services.history.heard && !this.#stopped) {
          this.#held.push(call)
          lost = true
        } else
          call.refuse(
            new Fault('version.unknown', `version ${label} is not installed; the newest is ${this.node.services.history.newest}`),
          )
      } catch (fault) {
        call.refuse(fault as Fault)
      }
    }
    return lost
  }

  /** Those that have been answered meanwhile. */
  #dropRefused(): void {
    this.#held = this.#held.filter((call) => !call.isRefused)
  }
}

/** A future-SO that can't begin does not fit, like any other part of an upgrade. */
function initialOf(futureSO: Simulation): Uint8Array {
  try {
    return pack(futureSO.initial(undefined, noCollections), 'the future-SO’s initial state')
  } catch (error) {
    throw new Fault('upgrade.invalid', `the future-SO's initial() failed: ${reasonOf(error)}`, {}, { cause: error })
  }
}

/** Whether an upgrade is not what it should be, as opposed to not to be had. */
export function isRejection(error: unknown): error is Fault {
  return isFault(error) && error.kind === 'upgrade' && error.code !== 'upgrade.fetch'
}

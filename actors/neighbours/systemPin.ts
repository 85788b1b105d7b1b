/**
 * N2. The pin of a system at a neighbour is a row in the neighbour's upgrade database: ⟨system, version⟩. It
 *     belongs to the system, not to a host, so it does not expire. It counts as a client does that is pinned
 *     to the version: the version and all newer ones stay alive.
 *
 * It is a row of the service `client`, with a directory. Each release since 0.1.0 keeps such a row without
 * end, and lets no version die that it names. An operator of the neighbour sees it and forgets it as any row.
 * One that was forgotten comes back with the system's next upgrade, and one that was lost at once.
 */
import { Fault } from '../../core/base/fault.js'
import type { Version } from '../../core/base/ids.js'
import type { Software } from '../../core/base/level.js'
import type { UpgradeDatabase } from '../../core/control/upgradeDatabase.js'
import { pinClass, pinOf } from '../../core/model/neighbour.js'
import { clientService, type NodeStatus } from '../../core/model/nodeRow.js'
import type { Clock } from '../../core/ports/clock.js'

/** How long the row counts as alive after the last word; its end frees nothing. */
export const pinLeaseMs = 60_000

export interface SystemPinOptions {
  /** The system that calls. */
  readonly system: string
  /** The system that is called. */
  readonly neighbour: string
  readonly database: Pick<UpgradeDatabase, 'register' | 'report' | 'renew' | 'nodes'>
  readonly clock: Clock
  /** The name of this process, for whoever reads the row. */
  readonly by: string
  /** T1. That which all processes of the system read, as far as this one knows. */
  readonly software: () => Software
}

export class SystemPin {
  readonly #id: string

  constructor(private readonly options: SystemPinOptions) {
    this.#id = pinOf(options.system)
  }

  /** Sets it to this version, unless an operator of the neighbour has forgotten it. */
  async set(version: Version): Promise<'kept' | 'forgotten'> {
    const heard = await this.options.database.report([this.#row(version)], pinLeaseMs)
    if (heard.forgotten.length > 0) return 'forgotten'
    if (heard.elsewhere.length > 0) throw this.#taken()
    if (heard.unknown.length > 0) await this.claim(version)
    return 'kept'
  }

  /** The same also where it was forgotten. */
  async claim(version: Version): Promise<void> {
    const { neighbour } = this.options
    const answer = await this.options.database.register(this.#row(version), pinLeaseMs)
    if (answer.registered) return
    if (answer.level === undefined) throw this.#taken()
    const message = `neighbour ${neighbour} writes formats that this system does not read: run release ${answer.level.release} or newer`
    throw new Fault('config.release', message, { release: answer.level.release })
  }

  /** Sets it to this version, unless it is older already. */
  async atMost(version: Version): Promise<'kept' | 'forgotten'> {
    const found = await this.read()
    return found !== undefined && found <= version ? 'kept' : this.set(version)
  }

  /** Only puts it back where it is lost. */
  async renew(version: Version): Promise<'kept' | 'forgotten'> {
    const heard = await this.options.database.renew([this.#id], pinLeaseMs)
    if (heard.forgotten.length > 0) return 'forgotten'
    if (heard.unknown.length > 0) await this.claim(version)
    return 'kept'
  }

  /** Undefined where there is none. */
  async read(): Promise<Version | undefined> {
    const rows = await this.options.database.nodes(clientService)
    return rows.find(({ nodeId }) => nodeId === this.#id)?.version
  }

  #row(version: Version): NodeStatus {
    const { by, clock, software } = this.options
    return {
      nodeId: this.#id,
      service: clientService,
      className: pinClass,
      version,
      phase: 'current',
      target: null,
      reason: null,
      hostId: by,
      directoryId: this.#id,
      since: clock.now(),
      software: software(),
    }
  }

  #taken(): Fault {
    const { neighbour, system } = this.options
    const message = `a node of system ${neighbour} has the id ${this.#id}, under which system ${system} is to be known there: give that node another id`
    return new Fault('config.registered-elsewhere', message, { nodeId: this.#id })
  }
}

/**
 * Tells the upgrade database who runs what (§4: "upgrade layers store their node's class and version in the UDB after each upgrade").
 * One per host: the newest row of each node, in batches, tried again until the database has it. Renews the leases.
 */
import { inject, injectable } from 'tsyringe'
import { Fault } from '../core/fault.js'
import type { HostObserver } from '../core/hostEvents.js'
import type { Clock } from '../core/ports/clock.js'
import type { Random } from '../core/ports/random.js'
import type { NodeFigures, NodeStatus, UpgradeDatabase } from '../core/ports/upgradeDatabase.js'
import type { HostSettings } from './settings.js'
import { backoffMs } from './timeouts.js'
import { tokens } from './tokens.js'

type Registration = 'pending' | 'registered'

@injectable()
export class Registrar {
  readonly #rows = new Map<string, NodeStatus>()
  readonly #registrations = new Map<string, Registration>()
  readonly #unreported = new Set<string>()
  #running = false
  #again = false
  #failures = 0
  #stopped = false
  #cancelRenewal: () => void = () => {}
  #idle: (() => void)[] = []
  /** How a node's calls go, where somebody wants to know. */
  figuresOf: (nodeId: string) => NodeFigures | undefined = () => undefined
  /** A node turned out to be registered with another directory: it must not run here. */
  onTaken: (nodeId: string, fault: Fault) => void = () => {}

  constructor(
    @inject(tokens.database) private readonly database: UpgradeDatabase,
    @inject(tokens.clock) private readonly clock: Clock,
    @inject(tokens.random) private readonly random: Random,
    @inject(tokens.settings) private readonly settings: HostSettings,
    @inject(tokens.observer) private readonly observe: HostObserver,
  ) {
    this.#renewLater()
  }

  /** Registers a node now. Throws `config.registered-elsewhere`, or whatever the database throws. */
  async register(status: NodeStatus): Promise<void> {
    const answer = await this.database.register(status, this.settings.leaseMs)
    if (!answer.registered) throw taken(status, answer.directoryId)
    this.#rows.set(status.nodeId, status)
    this.#registrations.set(status.nodeId, 'registered')
  }

  /** The node's row, to be stored as soon as the database takes it; registers the node if that is still to be done. */
  report(status: NodeStatus): void {
    this.#rows.set(status.nodeId, status)
    if (!this.#registrations.has(status.nodeId)) this.#registrations.set(status.nodeId, 'pending')
    this.#unreported.add(status.nodeId)
    this.#work()
  }

  /** The node is not here any more. Its row stays: a registered node counts until it is forgotten. */
  release(nodeId: string): void {
    this.#rows.delete(nodeId)
    this.#registrations.delete(nodeId)
    this.#unreported.delete(nodeId)
  }

  /** Resolves when every row has been stored, or a try to store it has failed. */
  settled(): Promise<void> {
    if (!this.#running) return Promise.resolve()
    return new Promise((resolve) => this.#idle.push(resolve))
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#cancelRenewal()
    await this.settled()
  }

  #work(): void {
    this.#again = true
    if (this.#running) return
    this.#running = true
    // After this turn, so that rows of many nodes travel together.
    this.clock.turn(() => void this.#run())
  }

  async #run(): Promise<void> {
    while (this.#again) {
      this.#again = false
      const rows = [...this.#unreported].map((nodeId) => this.#rows.get(nodeId)!)
      this.#unreported.clear()
      try {
        await this.#store(rows)
        this.#failures = 0
      } catch (error) {
        for (const { nodeId } of rows) if (this.#rows.has(nodeId)) this.#unreported.add(nodeId)
        this.#retryLater(error)
        break
      }
    }
    this.#running = false
    for (const resolve of this.#idle.splice(0)) resolve()
  }

  async #store(rows: readonly NodeStatus[]): Promise<void> {
    const registered: NodeStatus[] = []
    for (const row of rows) {
      if (this.#registrations.get(row.nodeId) === 'registered') {
        registered.push(row)
        continue
      }
      const answer = await this.database.register(row, this.settings.leaseMs)
      // Not a node that was released meanwhile: its lease is no longer this host's to renew.
      if (answer.registered && this.#rows.has(row.nodeId)) this.#registrations.set(row.nodeId, 'registered')
      if (!answer.registered) this.onTaken(row.nodeId, taken(row, answer.directoryId))
    }
    if (registered.length > 0) await this.database.report(registered, this.settings.leaseMs)
  }

  #retryLater(error: unknown): void {
    if (this.#stopped) return
    if (this.#failures === 0)
      this.observe({ type: 'warning', message: 'the upgrade database does not answer; trying again', error })
    this.clock.after(backoffMs(this.#failures++, this.settings.backoffMs, this.settings.backoffMsMax, this.random.next()), () =>
      this.#work(),
    )
  }

  /** Nodes whose figures have changed report; the others only renew their leases. */
  async #renew(): Promise<void> {
    const unchanged: string[] = []
    for (const [nodeId, registration] of this.#registrations) {
      if (registration !== 'registered') continue
      const row = this.#rows.get(nodeId)
      const figures = this.figuresOf(nodeId)
      if (row === undefined || figures === undefined || isAlike(figures, row.figures)) unchanged.push(nodeId)
      // Behind what is being reported: an older row must not come after a newer one.
      else this.report({ ...row, figures })
    }
    if (unchanged.length > 0) await this.database.renew(unchanged, this.settings.leaseMs)
  }

  #renewLater(): void {
    this.#cancelRenewal = this.clock.after(this.settings.leaseMs / 3, () => {
      this.#renew().catch(() => {
        // The next renewal, or the next report, comes before the lease ends; and an ended lease frees nothing.
      })
      if (!this.#stopped) this.#renewLater()
    })
  }
}

function taken({ nodeId }: NodeStatus, directoryId: string): Fault {
  return new Fault(
    'config.registered-elsewhere',
    `node ${nodeId} is registered with state directory ${directoryId}: start it there, or forget it with "natsctl node forget ${nodeId}"`,
    { nodeId, directoryId },
  )
}

function isAlike(a: NodeFigures, b: NodeFigures | undefined): boolean {
  const isAsFar = a.records?.passed === b?.records?.passed
  return isAsFar && a.ended === (b?.ended ?? 0) && a.threw === (b?.threw ?? 0) && a.timed === (b?.timed ?? 0)
}

/**
 * The troubles of a plan, and their ends: each begins at its step and ends after its time, or when the world
 * is healed, whichever comes first. Joins and departures are among them: they too change who is there.
 */
import type { HostProcess } from './hostProcess.js'
import { type OperationsContext, operate, stopHost } from './operations/operate.js'
import type { Operators } from './operators.js'
import type { Step } from './plan.js'
import type { UpgradeDatabase } from './processEnvironment.js'

type LeaveStep = Extract<Step, { kind: 'leave' }>
export type TroubleStep = Exclude<Step, { kind: 'call' | 'publish' | 'pinDead' }>

/** The objects of troubles. */
export interface TroublesContext extends OperationsContext {
  readonly database: UpgradeDatabase
  readonly operators: Operators
  /** Its host has stopped, and an operator has forgotten it: for good, or because nobody expects it back. */
  forgotten(nodeId: string, isForGood: boolean): void
  /** The table of the upgrade database says that it may go. */
  permit(nodeId: string): void
  duplicateNode(nodeId: string, host: HostProcess): Promise<void>
}

const tryAgainMs = 200
const lookEveryMs = 20

export class Troubles {
  /** Ends that have not come yet. */
  readonly #ends = new Set<() => void>()
  readonly #leaving = new Set<Promise<void>>()
  #isOver = false

  constructor(private readonly world: TroublesContext) {}

  begin(step: TroubleStep): void {
    if (this.#isOver) return
    const { world } = this
    switch (step.kind) {
      case 'join':
        world.addNode(step.node)
        return
      case 'leave':
        this.#leave(world.host(step.host), step)
        return
      case 'crash': {
        const host = world.host(step.host)
        if (host.isAlive) host.killAt(step.moment, () => this.#endAfter(step.forMs, () => host.start()))
        return
      }
      case 'serverCrash': {
        const server = world.server(step.server)
        if (server.isAlive) server.killAfter(step.messages, () => this.#endAfter(step.forMs, () => server.start()))
        return
      }
      case 'duplicateNode':
        void world.duplicateNode(step.nodeId, world.host(step.host))
        return
      case 'cutOff': {
        const { processFault } = world.host(step.host)
        processFault.transport?.disconnect()
        this.#endAfter(step.forMs, () => void (processFault.isDead || processFault.transport?.reconnect()))
        return
      }
      case 'partition':
        this.#endAfter(step.forMs, world.network.wall(step.from, step.to))
        return
      case 'weather':
        this.#endAfter(step.forMs, world.network.weather(step.weather))
        return
      case 'diskFull':
        this.#endAfter(step.forMs, world.host(step.host).fillDisk())
        return
      case 'diskSlow':
        this.#endAfter(step.forMs, world.host(step.host).slowDisk())
        return
      case 'databaseAway':
        this.#endAfter(step.forMs, world.udb.away())
        return
      case 'awayWhenLeft':
        void this.#awayWhenLeft(step)
        return
      case 'databaseFlaky':
        this.#endAfter(step.forMs, world.udb.flaky())
        return
      case 'unannounced':
        this.#endAfter(step.forMs, world.network.deafen(step.host))
        return
      case 'permit':
        world.permit(step.nodeId)
        return
      case 'retry':
        world.retry(step.nodeId)
        return
      case 'now':
      case 'retryVersion':
      case 'finalize':
        world.operators.ask(step)
        return
      case 'pause':
      case 'hold': {
        const takeBack = world.operators.ask(step)
        if (takeBack !== undefined) this.#endAfter(step.forMs, takeBack)
        return
      }
      case 'stop':
      case 'stopNode':
      case 'freeze':
      case 'clock':
      case 'databaseLost':
      case 'move':
      case 'refused':
      case 'serverDies':
      case 'replay':
      case 'cacheLost':
      case 'logsCut':
      case 'logsFlaky':
        operate(
          world,
          step,
          (ms, end) => this.#endAfter(ms, end),
          (left) => this.#await(left),
        )
    }
  }

  /** Ends them all. Resolves when hosts that had begun to leave have left. */
  async end(): Promise<void> {
    this.#isOver = true
    this.world.network.heal()
    for (const process of this.world.processes()) process.spare()
    for (const end of [...this.#ends]) end()
    await Promise.all(this.#leaving)
  }

  async #awayWhenLeft({ version, forMs }: Extract<Step, { kind: 'awayWhenLeft' }>): Promise<void> {
    const { world } = this
    const isLeft = () => world.allNodes().every(({ handle }) => handle !== undefined && handle.version > version)
    while (!this.#isOver && !isLeft()) await world.time.sleep(lookEveryMs)
    if (!this.#isOver) this.#endAfter(forMs, world.udb.away())
  }

  /** At once where the troubles are over already. */
  #endAfter(ms: number, end: () => void): void {
    const once = () => {
      if (this.#ends.delete(once)) end()
    }
    this.#ends.add(once)
    if (this.#isOver) once()
    else this.world.time.after(ms, once)
  }

  #leave(host: HostProcess, step: LeaveStep): void {
    if (!host.isAlive || host.running === undefined) return
    this.#await(this.#left(host, step))
  }

  #await(left: Promise<void>): void {
    const leaving: Promise<void> = left.finally(() => this.#leaving.delete(leaving))
    this.#leaving.add(leaving)
  }

  async #left(host: HostProcess, { forMs, isForgotten }: LeaveStep): Promise<void> {
    const { world } = this
    if (!(await stopHost(world, host))) return
    if (forMs === null || isForgotten) {
      for (const nodeId of [...host.nodes.keys()]) {
        if (forMs === null) host.drop(nodeId)
        this.world.forgotten(nodeId, forMs === null)
        await this.forget(nodeId)
      }
    }
    if (forMs !== null) this.#endAfter(forMs, () => host.start())
    // Others may be born there yet.
    else host.start()
  }

  /** The operator's part of a departure. */
  async forget(nodeId: string): Promise<void> {
    for (;;) {
      try {
        return await this.world.database.forget(nodeId)
      } catch {
        await this.world.time.sleep(tryAgainMs)
      }
    }
  }
}

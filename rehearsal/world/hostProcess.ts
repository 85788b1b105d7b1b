/**
 * One host as a process: started over its disk, killed at any moment, started again by whoever looks after
 * it. The disk outlives the process, and may be full or slow.
 */
import { createHost, type HostEvent, type NodeHandle, type Phase, type RunningHost, type Version } from 'theseus'
import { type MemoryState, type MemoryTransport, memoryStore, memoryTransport, seededRandom } from 'theseus/memory'
import type { Write } from '../../core/ports/stateStore.js'
import { subjectsOf } from '../../core/wire/subjects.js'
import { Lifeline } from './lifeline.js'
import type { CrashMoment, NodePlan } from './plan.js'
import type { Stage } from './stage.js'

/** How long whoever looks after a host waits before it tries again what failed. */
const tryAgainMs = 150
/** How long a commit takes, at most. */
const diskMsMax = 2
const slowDiskMs = 60
/** A moment that does not come is not waited for longer. */
const momentWithinMs = 2_500

export class HostProcess {
  disk: MemoryState
  /** All that is on the disk, where somebody is to make a backup of it. */
  readonly #written = new Map<string, Uint8Array>()
  /** The contents when the backup was made. */
  backup: ReadonlyMap<string, Uint8Array> | undefined
  /** The nodes whose state is here, and how each runs, if it does. */
  readonly nodes = new Map<string, { readonly plan: NodePlan; handle: NodeHandle | undefined }>()
  #lifeline: Lifeline
  readonly #skew = { ms: 0 }
  readonly #isRemembered: boolean
  #running: RunningHost | undefined
  #starts = 0
  readonly #starting = new Set<string>()
  /** The versions that were dead when it started, if it can't have missed that. */
  deadAtStart: Version = 0
  #refusals = 0
  #refusedSinceMs = 0
  #isDiskFull = 0
  #isDiskSlow = 0
  #countdown: { readonly moment: Exclude<CrashMoment, { at: 'once' }>; left: number; readonly kill: () => void } | undefined

  constructor(
    readonly name: string,
    private readonly stage: Stage,
    /** Whose state directory it has, or a copy of it. */
    private readonly directoryOf = name,
  ) {
    const { backup, steps } = stage.plan
    this.#isRemembered = backup?.host === name || steps.some((step) => step.kind === 'move' && step.host === name)
    this.#lifeline = new Lifeline(name, stage.time, this.#skew)
    this.#lifeline.cut()
    this.disk = this.#newDisk()
  }

  #newDisk(): MemoryState {
    const { stage, name } = this
    // The process writes: while it is frozen nothing is written.
    const turn = (action: () => void) => stage.time.turn(() => this.#lifeline.whenWriting(action))
    const disk = stage.tamper.disk?.(name, turn) ?? memoryStore({ turn, directoryId: `disk-of-${this.directoryOf}` })
    disk.beforeCommit = (writes) => {
      stage.trace(`${name} commits ${writes.length}`)
      this.#count('beforeCommit')
      if (this.#isDiskFull > 0) throw new Error('the disk is full')
      const ms = this.#isDiskSlow > 0 ? slowDiskMs : Math.floor(stage.chance() * (diskMsMax + 1))
      return ms > 0 ? this.#lifeline.pause(ms) : undefined
    }
    disk.afterCommit = (writes) => {
      stage.committed(name, writes)
      if (this.#isRemembered) this.#remember(writes)
      this.#count('afterCommit')
    }
    return disk
  }

  #remember(writes: readonly Write[]): void {
    for (const [key, value] of writes) {
      if (value === null) this.#written.delete(key)
      else this.#written.set(key, value)
    }
  }

  makeBackup(): void {
    this.backup = new Map(this.#written)
  }

  /** All that is on its disk, where that is remembered. */
  get content(): ReadonlyMap<string, Uint8Array> {
    return new Map(this.#written)
  }

  /** While the process does not run. */
  async replaceDisk(content: ReadonlyMap<string, Uint8Array>): Promise<void> {
    this.disk = this.#newDisk()
    const { beforeCommit, afterCommit } = this.disk
    this.disk.beforeCommit = undefined
    this.disk.afterCommit = undefined
    const store = await this.disk.open()
    if (content.size > 0) await store.commit([...content])
    await store.close()
    Object.assign(this.disk, { beforeCommit, afterCommit })
  }

  /** The nodes whose start has neither succeeded nor failed. */
  get starting(): readonly string[] {
    return [...this.#starting]
  }

  get isAlive(): boolean {
    return !this.#lifeline.isDead
  }

  get running(): RunningHost | undefined {
    return this.#running
  }

  get lifeline(): Lifeline {
    return this.#lifeline
  }

  /**
   * Starts the process and every node whose state is here, again and again until it succeeds or is killed.
   */
  start(): void {
    const { stage, name } = this
    const lifeline = new Lifeline(name, stage.time, this.#skew)
    this.#lifeline = lifeline
    this.#starts++
    this.deadAtStart = stage.surelyDead()
    stage.trace(`${name} starts`)
    void this.#start(lifeline)
  }

  async #start(lifeline: Lifeline): Promise<void> {
    const { stage, name } = this
    const random = seededRandom(stage.plan.seed * 1000 + this.#starts * 50 + stage.hostNumber(name))
    for (;;) {
      try {
        const running = await createHost({
          system: stage.system,
          hostId: name,
          transport: {
            connect: async (options) => this.#permitted(lifeline.connected(memoryTransport(stage.network.broker, options))),
          },
          udb: { open: (system, clock) => stage.openDatabase(system, clock, lifeline) },
          state: this.disk,
          bundles: stage.repository,
          clock: lifeline.clock,
          random,
          settings: stage.settings,
          observe: (event: HostEvent) => {
            if (lifeline.isDead) return
            stage.observed(name, event)
            if (event.type === 'phase') this.#count('phase', event.phase)
          },
          ...(stage.tamper.register === undefined ? {} : { register: stage.tamper.register }),
        })
        if (lifeline.isDead) return
        this.#running = running
        break
      } catch (error) {
        stage.trace(`${name} does not start: ${error}`)
        await lifeline.pause(tryAgainMs)
      }
    }
    for (const { plan } of this.nodes.values()) void this.#startNode(plan, lifeline)
  }

  /** A node is born here, or comes back. */
  add(plan: NodePlan): void {
    this.nodes.set(plan.nodeId, { plan, handle: undefined })
    this.#permitted(this.#lifeline.transport)
    if (this.#running !== undefined && this.isAlive) void this.#startNode(plan, this.#lifeline)
  }

  async #startNode(plan: NodePlan, lifeline: Lifeline): Promise<void> {
    for (;;) {
      if (this.nodes.get(plan.nodeId)?.plan !== plan || lifeline.isDead || this.#running === undefined) return
      this.#starting.add(plan.nodeId)
      const sinceMs = this.stage.time.elapsedMs
      try {
        const handle = await this.#running.node(this.stage.codeFor(plan.service), plan.nodeId)
        this.#starting.delete(plan.nodeId)
        if (lifeline.isDead) return
        this.nodes.set(plan.nodeId, { plan, handle })
        // One that is cut off can't know.
        const isRefused = this.#refusals > 0 && this.#refusedSinceMs < sinceMs
        if (isRefused && lifeline.transport?.status === 'connected') this.stage.unheard(plan.nodeId)
        this.stage.up(plan.nodeId)
        this.stage.trace(`${plan.nodeId} is up at version ${handle.version}`)
        return
      } catch (error) {
        this.#starting.delete(plan.nodeId)
        this.stage.trace(`${plan.nodeId} does not start: ${error}`)
        await lifeline.pause(tryAgainMs)
      }
    }
  }

  /** kill -9. */
  kill(): void {
    if (!this.isAlive) return
    this.#countdown = undefined
    this.stage.network.onMessage(this.name, undefined)
    this.#lifeline.cut()
    this.disk.kill()
    this.#running = undefined
    this.#starting.clear()
    for (const [nodeId, { plan }] of this.nodes) this.nodes.set(nodeId, { plan, handle: undefined })
    this.stage.died(this.name, [...this.nodes.keys()])
  }

  /** Kills the process at that moment; at once if it has not come when `orElseMs` have passed. */
  killAt(moment: CrashMoment, killed: () => void): void {
    const lifeline = this.#lifeline
    const kill = () => {
      if (lifeline.isDead) return
      this.kill()
      killed()
    }
    if (moment.at === 'once') {
      kill()
      return
    }
    const countdown = { moment, left: moment.count, kill }
    this.#countdown = countdown
    this.stage.network.onMessage(this.name, () => this.#count('message'))
    this.stage.time.after(momentWithinMs, () => {
      if (this.#countdown === countdown) kill()
    })
  }

  /** A moment that has not come yet comes no more. */
  spare(): void {
    this.#countdown = undefined
  }

  #count(at: CrashMoment['at'], phase?: Phase): void {
    const countdown = this.#countdown
    if (countdown === undefined || countdown.moment.at !== at) return
    if (countdown.moment.at === 'phase' && countdown.moment.phase !== phase) return
    if (--countdown.left > 0) return
    this.#countdown = undefined
    // Not while the broker is at it: it decides on a message and its receivers as one.
    if (at === 'message') this.stage.time.turn(countdown.kill)
    else countdown.kill()
  }

  /** Ends in order, as an operator would have it. */
  async stop(): Promise<void> {
    const running = this.#running
    const lifeline = this.#lifeline
    if (running === undefined) return
    this.#countdown = undefined
    this.stage.network.onMessage(this.name, undefined)
    this.#running = undefined
    await running.stop()
    if (lifeline.isDead) return
    for (const [nodeId, { plan }] of this.nodes) this.nodes.set(nodeId, { plan, handle: undefined })
    this.stage.died(this.name, [...this.nodes.keys()])
    lifeline.cut()
  }

  /** Stops a node in order. Resolves to what starts it again. */
  async stopNode(nodeId: string): Promise<() => void> {
    const { plan, handle } = this.nodes.get(nodeId)!
    const lifeline = this.#lifeline
    await handle?.stop()
    // It may have moved meanwhile.
    if (lifeline.isDead || !this.nodes.has(nodeId)) return () => {}
    this.stage.trace(`${nodeId} has stopped`)
    this.nodes.set(nodeId, { plan, handle: undefined })
    this.stage.died(this.name, [nodeId])
    return () => {
      if (!lifeline.isDead && this.nodes.get(nodeId)?.handle === undefined) void this.#startNode(plan, lifeline)
    }
  }

  freeze(): () => void {
    return this.#lifeline.freeze()
  }

  setClock(byMs: number): void {
    this.#skew.ms += byMs
  }

  /** The transport does not let it listen for calls of its nodes, until the returned function is called. */
  refuse(): () => void {
    if (this.#refusals++ === 0) this.#refusedSinceMs = this.stage.time.elapsedMs
    this.#permitted(this.#lifeline.transport)
    return () => {
      this.#refusals--
      this.#permitted(this.#lifeline.transport)
    }
  }

  #permitted<T extends MemoryTransport | undefined>(transport: T): T {
    const subjects = subjectsOf(this.stage.system)
    transport?.deny(this.#refusals > 0 ? [...this.nodes.keys()].map((nodeId) => subjects.node(nodeId)) : [])
    return transport
  }

  fillDisk(): () => void {
    this.#isDiskFull++
    return () => void this.#isDiskFull--
  }

  slowDisk(): () => void {
    this.#isDiskSlow++
    return () => void this.#isDiskSlow--
  }

  /** The node's code is not run here any more, nor ever again. */
  drop(nodeId: string): void {
    this.nodes.delete(nodeId)
  }
}

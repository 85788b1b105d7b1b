/**
 * One host as a process: started over its disk, killed at any moment, started again by whoever looks after
 * it. The disk outlives the process, and may be full or slow.
 */
import {
  createHost,
  type GroupHandle,
  type HostEvent,
  type MemberHandle,
  type NodeHandle,
  type Phase,
  type RunningHost,
  type Version,
} from 'theseus-actors'
import { type MemoryState, type MemoryTransport, memoryStore, memoryTransport, seededRandom } from 'theseus-actors/memory'
import type { Write } from '../../core/ports/stateStore.js'
import { subjectsOf } from '../../core/wire/subjects.js'
import { type CrashMoment, type NodePlan, type Step, serviceNames } from './plan.js'
import type { ProcessCode, ProcessEnvironment } from './processEnvironment.js'
import { ProcessFault } from './processFault.js'
import { isShardedService } from './shards/shardPlan.js'

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
  readonly nodes = new Map<string, { readonly plan: NodePlan; handle: MemberHandle | undefined }>()
  /** The handle that ends each node that runs: its own, or that of its group. */
  readonly #ends = new Map<string, Pick<NodeHandle | GroupHandle, 'stop'>>()
  #processFault: ProcessFault
  readonly #skew = { ms: 0 }
  readonly #isRemembered: boolean
  #code: ProcessCode | undefined
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
    private readonly environment: ProcessEnvironment,
    /** Whose state directory it has, or a copy of it. */
    private readonly directoryOf = name,
  ) {
    const { backup, steps } = environment.plan
    const isCopied = (step: Step) => (step.kind === 'move' || step.kind === 'cacheLost') && step.host === name
    this.#isRemembered = backup?.host === name || steps.some(isCopied)
    this.#processFault = new ProcessFault(name, environment.time, this.#skew)
    this.#processFault.cut()
    this.disk = this.#newDisk()
  }

  #newDisk(): MemoryState {
    const { environment, name } = this
    // The process writes: while it is frozen nothing is written.
    const turn = (action: () => void) => environment.time.turn(() => this.#processFault.whenWriting(action))
    const disk = environment.tamper.disk?.(name, turn) ?? memoryStore({ turn, directoryId: `disk-of-${this.directoryOf}` })
    disk.beforeCommit = (writes) => {
      environment.trace(`${name} commits ${writes.length}`)
      this.#count('beforeCommit')
      if (this.#isDiskFull > 0) throw new Error('the disk is full')
      const ms = this.#isDiskSlow > 0 ? slowDiskMs : Math.floor(environment.chance() * (diskMsMax + 1))
      return ms > 0 ? this.#processFault.pause(ms) : undefined
    }
    disk.afterCommit = (writes) => {
      environment.committed(name, writes)
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
    return !this.#processFault.isDead
  }

  get running(): RunningHost | undefined {
    return this.#running
  }

  get processFault(): ProcessFault {
    return this.#processFault
  }

  /**
   * Starts the process and every node whose state is here, again and again until it succeeds or is killed.
   */
  start(): void {
    const { environment, name } = this
    const processFault = new ProcessFault(name, environment.time, this.#skew)
    this.#processFault = processFault
    this.#starts++
    this.deadAtStart = environment.surelyDead()
    environment.trace(`${name} starts`)
    void this.#start(processFault)
  }

  async #start(processFault: ProcessFault): Promise<void> {
    const { environment, name } = this
    const code = environment.codeOf(processFault)
    this.#code = code
    const logs = environment.logs?.client(
      processFault,
      `${name}:${this.#starts}`,
      (at) => this.#isNow(processFault) && this.#count(at),
    )
    const random = seededRandom(environment.plan.seed * 1000 + this.#starts * 50 + environment.hostNumber(name))
    for (;;) {
      try {
        const running = await createHost({
          system: environment.system,
          hostId: name,
          transport: {
            connect: async (options) =>
              this.#permitted(processFault.connected(memoryTransport(environment.network.broker, options))),
          },
          udb: { ...environment.level, open: (system, clock) => environment.openDatabase(system, clock, processFault) },
          state: this.disk,
          ...(logs === undefined ? {} : { shards: logs }),
          bundles: code.repository,
          clock: processFault.clock,
          random,
          settings: environment.settings,
          observe: (event: HostEvent) => {
            if (processFault.isDead) return
            environment.observed(name, event)
            if (event.type === 'phase') this.#count('phase', event.phase)
          },
          ...(environment.tamper.register === undefined ? {} : { register: environment.tamper.register }),
        })
        if (processFault.isDead) return
        this.#running = running
        break
      } catch (error) {
        environment.trace(`${name} does not start: ${error}`)
        await processFault.pause(tryAgainMs)
      }
    }
    for (const plan of this.#firsts) void this.#startNode(plan, processFault)
    if (environment.plan.hosts.includes(name)) void this.#offer(code, processFault)
  }

  async #offer({ first }: ProcessCode, processFault: ProcessFault): Promise<void> {
    for (const service of serviceNames.filter((each) => isShardedService(this.environment.plan, each)))
      while (this.#running !== undefined && this.#isNow(processFault)) {
        try {
          await this.#running.offer(first[service])
          break
        } catch (error) {
          this.environment.trace(`${this.name} does not offer ${service}: ${error}`)
          await processFault.pause(tryAgainMs)
        }
      }
  }

  #isNow(processFault: ProcessFault): boolean {
    return this.#processFault === processFault && !processFault.isDead
  }

  /** One node of each group, and all others. */
  get #firsts(): readonly NodePlan[] {
    const plans = [...this.nodes.values()].map(({ plan }) => plan)
    return plans.filter((plan) => this.#with(plan)[0] === plan)
  }

  /** The nodes that start with this one: the members of its group. */
  #with(plan: NodePlan): readonly NodePlan[] {
    if (plan.group === undefined) return [plan]
    return [...this.nodes.values()].flatMap((node) => (node.plan.group === plan.group ? node.plan : []))
  }

  /** A node is born here, or comes back. */
  add(plan: NodePlan): void {
    this.nodes.set(plan.nodeId, { plan, handle: undefined })
    this.#permitted(this.#processFault.transport)
    const isWhole = plan.group === undefined || this.#with(plan).length === serviceNames.length
    if (isWhole && this.#running !== undefined && this.isAlive) void this.#startNode(plan, this.#processFault)
  }

  async #startNode(plan: NodePlan, processFault: ProcessFault): Promise<void> {
    for (;;) {
      if (this.nodes.get(plan.nodeId)?.plan !== plan || processFault.isDead || this.#running === undefined) return
      const plans = this.#with(plan)
      for (const { nodeId } of plans) this.#starting.add(nodeId)
      const sinceMs = this.environment.time.elapsedMs
      try {
        const started = await this.#started(this.#running, plan, plans)
        for (const { nodeId } of plans) this.#starting.delete(nodeId)
        if (processFault.isDead) return
        for (const { plan: each, handle, end } of started) {
          const { nodeId } = each
          this.nodes.set(nodeId, { plan: each, handle })
          this.#ends.set(nodeId, end)
          // One that is cut off can't know.
          const isRefused = this.#refusals > 0 && this.#refusedSinceMs < sinceMs
          if (isRefused && processFault.transport?.status === 'connected') this.environment.unheard(nodeId)
          this.environment.up(nodeId)
          this.environment.trace(`${nodeId} is up at version ${handle.version}`)
        }
        return
      } catch (error) {
        for (const { nodeId } of plans) this.#starting.delete(nodeId)
        this.environment.trace(`${plan.group ?? plan.nodeId} does not start: ${error}`)
        await processFault.pause(tryAgainMs)
      }
    }
  }

  async #started(running: RunningHost, plan: NodePlan, plans: readonly NodePlan[]) {
    const { first } = this.#code!
    if (plan.group === undefined) {
      const handle = await running.node(first[plan.service], plan.nodeId)
      return [{ plan, handle, end: handle }]
    }
    const classes = Object.fromEntries(plans.map(({ service }) => [service, first[service]]))
    const group = await running.group(plan.group, classes)
    return plans.map((each) => ({ plan: each, handle: group.members[each.service]!, end: group }))
  }

  /** kill -9. */
  kill(): void {
    if (!this.isAlive) return
    this.#countdown = undefined
    this.environment.network.onMessage(this.name, undefined)
    this.#processFault.cut()
    this.disk.kill()
    this.#running = undefined
    this.#starting.clear()
    for (const [nodeId, { plan }] of this.nodes) this.nodes.set(nodeId, { plan, handle: undefined })
    this.environment.died(this.name, [...this.nodes.keys()])
  }

  /** Kills the process at that moment; at once if it has not come when `orElseMs` have passed. */
  killAt(moment: CrashMoment, killed: () => void): void {
    const processFault = this.#processFault
    const kill = () => {
      if (processFault.isDead) return
      this.kill()
      killed()
    }
    if (moment.at === 'once') {
      kill()
      return
    }
    const countdown = { moment, left: moment.count, kill }
    this.#countdown = countdown
    this.environment.network.onMessage(this.name, () => this.#count('message'))
    this.environment.time.after(momentWithinMs, () => {
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
    if (at === 'message') this.environment.time.turn(countdown.kill)
    else countdown.kill()
  }

  /** Ends in order, as an operator would have it. */
  async stop(): Promise<void> {
    const running = this.#running
    const processFault = this.#processFault
    if (running === undefined) return
    this.#countdown = undefined
    this.environment.network.onMessage(this.name, undefined)
    this.#running = undefined
    await running.stop()
    if (processFault.isDead) return
    for (const [nodeId, { plan }] of this.nodes) this.nodes.set(nodeId, { plan, handle: undefined })
    this.environment.died(this.name, [...this.nodes.keys()])
    processFault.cut()
    // A commit that was left behind ends with its process, which lets go of the directory.
    this.disk.kill()
  }

  /** Stops a node in order, with its group. Resolves to what starts it again. */
  async stopNode(nodeId: string): Promise<() => void> {
    const { plan, handle } = this.nodes.get(nodeId)!
    const processFault = this.#processFault
    if (handle !== undefined) await this.#ends.get(nodeId)?.stop()
    // It may have moved meanwhile.
    if (processFault.isDead || !this.nodes.has(nodeId)) return () => {}
    for (const each of this.#with(plan)) {
      this.environment.trace(`${each.nodeId} has stopped`)
      this.nodes.set(each.nodeId, { plan: each, handle: undefined })
      this.environment.died(this.name, [each.nodeId])
    }
    return () => {
      if (!processFault.isDead && this.nodes.get(nodeId)?.handle === undefined) void this.#startNode(plan, processFault)
    }
  }

  freeze(): () => void {
    return this.#processFault.freeze()
  }

  setClock(byMs: number): void {
    this.#skew.ms += byMs
  }

  /** The transport does not let it listen for calls of its nodes, until the returned function is called. */
  refuse(): () => void {
    if (this.#refusals++ === 0) this.#refusedSinceMs = this.environment.time.elapsedMs
    this.#permitted(this.#processFault.transport)
    return () => {
      this.#refusals--
      this.#permitted(this.#processFault.transport)
    }
  }

  #permitted<T extends MemoryTransport | undefined>(transport: T): T {
    const subjects = subjectsOf(this.environment.system)
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

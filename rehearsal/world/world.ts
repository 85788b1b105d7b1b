/**
 * The deterministic world: the real core and actors, on virtual time, seeded chance, and memory adapters with faults. Plays one plan, and ends
 * at the first violation of what must always hold, or when everything has come to rest.
 */
import { createHash } from 'node:crypto'
import { draftManifest, Fault, type HostEvent, type Random, type Version } from 'theseus'
import { seededRandom } from 'theseus/memory'
import { type AuditRoom, audit, opOf, untilAtRest } from './audit.js'
import { makeCall } from './calls.js'
import { WorldDatabase } from './database.js'
import { isChain } from './expectations.js'
import { HostProcess } from './hostProcess.js'
import type { Lifeline } from './lifeline.js'
import { Limits } from './limits.js'
import { Model } from './model.js'
import { Network } from './network.js'
import type { NodePlan, Plan, ServiceName, Step } from './plan.js'
import { ServerProcess } from './serverProcess.js'
import type { Stage, Tamper, UpgradeDatabase } from './stage.js'
import { type Troubled, Troubles } from './troubles.js'
import { type Cast, castOf } from './upgrades.js'
import { VirtualTime } from './virtualTime.js'
import { type Room, Witness } from './witness.js'
import { worldSettings } from './worldSettings.js'

export interface Violation {
  /** The number of what was broken: `C3`, `L1`. */
  readonly rule: string
  readonly what: string
  readonly atMs: number
}

export interface Result {
  readonly violations: readonly Violation[]
  /** Of everything that happened, in order: the same plan gives the same digest. */
  readonly digest: string
  readonly trace: readonly string[]
  readonly events: number
  readonly virtualMs: number
}

const startMs = Date.UTC(2026, 0, 1)
const tryAgainMs = 200
const publishWithinMs = 5_000
/** The longest a plan may take to set up its stage, and to come to rest after its troubles. */
const setUpWithinMs = 20_000
const wholeWithinMs = 200_000

export function play(plan: Plan, tamper: Tamper = {}): Promise<Result> {
  return new World(plan, tamper).play()
}

class World implements Stage, Room, AuditRoom, Troubled {
  readonly system = 'world'
  readonly time = new VirtualTime(startMs)
  readonly settings: Stage['settings']
  readonly network: Network
  readonly model: Model
  readonly cast: Cast
  readonly repository: Stage['repository']
  database!: UpgradeDatabase
  readonly #random: Random
  readonly udb: WorldDatabase
  readonly #troubles = new Troubles(this)
  readonly #limits: Limits
  readonly #witness: Witness
  readonly #hosts = new Map<string, HostProcess>()
  readonly #servers = new Map<string, ServerProcess>()
  readonly #nodes = new Map<string, NodePlan>()
  readonly #violations: Violation[] = []
  readonly #trace: string[] = []
  readonly #drafts: ReturnType<World['makeDraft']>[] = []
  /** By the process that waits for the answer: with it ends the call. */
  readonly #openCalls: Lifeline[] = []
  #isHealed = false

  constructor(
    readonly plan: Plan,
    readonly tamper: Tamper,
  ) {
    this.#random = seededRandom(plan.seed)
    this.settings = { ...worldSettings, limit: plan.limit }
    this.model = new Model((rule, what) => this.violated(rule, what))
    this.#witness = new Witness(this)
    this.cast = castOf(plan, this.#witness)
    this.#limits = new Limits(
      plan,
      (service) => this.#countOf(service),
      (rule, what) => this.violated(rule, what),
    )
    this.network = new Network(this.time, this.#random, {
      passed: ({ from, to, message }, passage) => {
        const how = typeof passage === 'string' ? passage : JSON.stringify(passage)
        this.trace(`${from} → ${to} ${message.subject} ${message.payload.length} ${how}`)
      },
      copied: (op) => this.model.copied(op),
    })
    this.udb = new WorldDatabase(this.time, this.#random)
    const byDigest = new Map(
      this.cast.upgrades.map((upgrade, i) => {
        const draft = this.makeDraft(i + 1)
        this.#drafts.push(draft)
        return [draft.manifest.bundle.digest, { upgrade: tamper.upgrade?.(upgrade) ?? upgrade, is: plan.upgrades[i]!.bundle }]
      }),
    )
    this.repository = {
      load: async (digest) => {
        const found = byDigest.get(digest)!
        if (found.is === 'bad' || (found.is === 'badUntilHealed' && !this.#isHealed))
          throw new Fault('upgrade.invalid', 'the loading of this bundle fails')
        return found.upgrade
      },
    }
  }

  async play(): Promise<Result> {
    let isOver = false
    this.#story().then(
      () => {
        isOver = true
      },
      (error) => this.violated('world', error instanceof Error ? (error.stack ?? error.message) : String(error)),
    )
    const unhandled = (error: unknown) => this.violated('world', `nobody handled ${error instanceof Error ? error.stack : error}`)
    process.on('unhandledRejection', unhandled)
    try {
      await this.time.run(startMs + wholeWithinMs, () => isOver || this.#violations.length > 0)
    } catch (error) {
      this.violated('world', String(error))
    } finally {
      process.off('unhandledRejection', unhandled)
    }
    if (!isOver && this.#violations.length === 0) this.violated('C10', 'the world has not come to its end')
    return {
      violations: this.#violations,
      digest: createHash('sha256').update(this.#trace.join('\n')).digest('hex'),
      trace: this.#trace,
      events: this.time.events,
      virtualMs: this.time.elapsedMs,
    }
  }

  async #story(): Promise<void> {
    this.database = await this.udb.look(this.system)
    await this.#setUp()
    const beganMs = this.time.elapsedMs
    this.trace('the plan begins')
    this.plan.steps.forEach((step, i) => {
      this.time.after(step.atMs, () => this.#perform(step, i))
    })
    await this.time.sleep(this.plan.healAtMs - (this.time.elapsedMs - beganMs))
    this.#isHealed = true
    this.#witness.isHealed = true
    this.trace('the troubles are over')
    await this.#troubles.end()
    await untilAtRest(this)
    const { version } = await this.database.head()
    if (version !== this.plan.upgrades.length)
      this.violated('C9', `${this.plan.upgrades.length} upgrades were published, and the newest version is ${version}`)
    if (this.#violations.length === 0) await audit(this)
  }

  async #setUp(): Promise<void> {
    for (const name of this.plan.servers) {
      const server = new ServerProcess(name, this)
      this.#servers.set(name, server)
      server.start()
    }
    for (const name of [...this.plan.clients, ...this.plan.hosts]) {
      const host = new HostProcess(name, this)
      this.#hosts.set(name, host)
      host.start()
    }
    for (const node of this.plan.nodes) this.born(node)
    while (this.living().some(({ handle }) => handle === undefined)) {
      if (this.time.elapsedMs > setUpWithinMs) throw new Error('the nodes of the plan do not start')
      await this.time.sleep(20)
    }
  }

  born(node: NodePlan): void {
    this.#nodes.set(node.nodeId, node)
    this.#hosts.get(node.host)!.add(node)
  }

  #perform(step: Step, i: number): void {
    switch (step.kind) {
      case 'call': {
        const client = this.#hosts.get(step.client)!.running
        if (client === undefined) return
        const open = this.host(step.client).lifeline
        this.#openCalls.push(open)
        makeCall(this, client, opOf(i), step).then(
          () => void this.#openCalls.splice(this.#openCalls.indexOf(open), 1),
          (error) => this.violated('world', error instanceof Error ? (error.stack ?? error.message) : String(error)),
        )
        return
      }
      case 'publish':
        for (const client of this.plan.clients.slice(0, step.publishers)) void this.#publish(client, step.version)
        return
      default:
        this.trace(`${opOf(i)} ${JSON.stringify(step)}`)
        this.#troubles.begin(step)
    }
  }

  forgotten(nodeId: string): void {
    this.#nodes.delete(nodeId)
    this.#limits.forgotten(nodeId)
  }

  retry(nodeId: string): void {
    this.living()
      .find(({ plan }) => plan.nodeId === nodeId)
      ?.handle?.retry()
  }

  async imposter(nodeId: string, host: HostProcess): Promise<void> {
    const node = this.#nodes.get(nodeId)
    const isRegistered = () =>
      this.#nodes.has(nodeId) && !this.plan.steps.some((step) => step.kind === 'leave' && step.forMs === null)
    if (node === undefined || node.host === host.name || host.running === undefined || !isRegistered()) return
    if (this.host(node.host).nodes.get(nodeId)?.handle === undefined) return
    const { lifeline } = host
    await host.running.node(this.codeFor(node.service), nodeId).then(
      () => {
        if (!lifeline.isDead) this.violated('C3', `${nodeId} runs on ${host.name} too, where its state is not`)
      },
      (error) => this.trace(`${nodeId} is not started on ${host.name}: ${error}`),
    )
  }

  host(name: string): HostProcess {
    return this.#hosts.get(name)!
  }

  processes() {
    return [...this.#hosts.values(), ...this.#servers.values()]
  }

  server(name: string): ServerProcess {
    return this.#servers.get(name)!
  }

  async #publish(client: string, version: Version): Promise<void> {
    for (;;) {
      try {
        const head = await this.database.head()
        if (head.version >= version) return
        const running = this.#hosts.get(client)!.running
        if (head.version === version - 1 && running !== undefined) {
          // If the client is killed meanwhile, nothing comes of it.
          const tried = running.publish(this.#drafts[version - 1]!).then(() => 'published')
          const result = await Promise.race([tried, this.time.sleep(publishWithinMs)])
          this.trace(`${client}: version ${version}, ${result ?? 'no answer'}`)
        }
      } catch (error) {
        this.trace(`${client} has not published version ${version}: ${error}`)
      }
      await this.time.sleep(tryAgainMs)
    }
  }

  makeDraft(version: Version) {
    const bundle = new TextEncoder().encode(`bundle ${version} of seed ${this.plan.seed}`)
    return { manifest: draftManifest(this.cast.upgrades[version - 1]!, bundle), bundle }
  }

  // --- What processes, objects and the oracle ask

  violated(rule: string, what: string): void {
    this.#violations.push({ rule, what, atMs: this.time.elapsedMs })
    this.trace(`${rule} is violated: ${what}`)
  }

  chance(): number {
    return this.#random.next()
  }

  trace(line: string): void {
    this.#trace.push(`${this.time.elapsedMs} ${line}`)
  }

  observed(host: string, event: HostEvent): void {
    switch (event.type) {
      case 'phase': {
        const { nodeId, phase, target, reason } = event
        this.trace(`${nodeId} is ${phase}${target === null ? '' : ` for ${target}`}${reason === null ? '' : `: ${reason}`}`)
        const node = this.#nodes.get(nodeId)
        if (node === undefined) return
        this.#limits.observed(event, node.service)
        const handle = this.host(node.host).nodes.get(nodeId)?.handle
        if (handle !== undefined && !isChain(handle.version, handle.chain))
          this.violated('C1', `${nodeId} at version ${handle.version} has the chain ${JSON.stringify(handle.chain)}`)
        return
      }
      case 'flipped':
        this.trace(`${event.nodeId} flips to ${event.version}, ${event.className}`)
        return
      case 'learned':
        this.trace(`${host} learns of version ${event.version}`)
        return
      case 'nodeFailed':
        this.trace(`${event.nodeId} failed: ${event.error}`)
        if (event.error instanceof Error && event.error.name === 'InvariantViolation')
          this.violated('invariant', event.error.message)
        return
      case 'deadLetter':
        this.trace(`${host} has a dead letter on ${event.subject}: ${event.fault.code} ${event.fault.message}`)
        return
      case 'warning':
        this.trace(`${host} warns: ${event.message}: ${event.error}`)
    }
  }

  died(host: string, nodeIds: readonly string[]): void {
    this.trace(`${host} is gone`)
    for (const nodeId of nodeIds) this.#witness.died(nodeId)
  }

  openDatabase(system: string, _clock: unknown, lifeline: Lifeline): Promise<UpgradeDatabase> {
    return this.udb.open(system, lifeline)
  }

  hostNumber(host: string): number {
    return [...this.#hosts.keys()].indexOf(host)
  }

  codeFor(service: ServiceName) {
    return this.cast.lines[service][0]!
  }

  isAlive(nodeId: string): boolean {
    const node = this.#nodes.get(nodeId)
    return node !== undefined && this.#hosts.get(node.host)!.isAlive
  }

  pause(nodeId: string, ms: number): Promise<void> {
    const node = this.#nodes.get(nodeId)
    return node === undefined ? this.time.sleep(ms) : this.#hosts.get(node.host)!.lifeline.pause(ms)
  }

  living() {
    return [...this.#nodes.values()].map((plan) => ({ plan, handle: this.#hosts.get(plan.host)!.nodes.get(plan.nodeId)?.handle }))
  }

  auditor() {
    return this.host(this.plan.clients[0]!).running
  }

  openCalls(): number {
    return this.#openCalls.filter(({ isDead }) => !isDead).length
  }

  #countOf(service: ServiceName): number {
    return [...this.#nodes.values()].filter((node) => node.service === service).length
  }
}

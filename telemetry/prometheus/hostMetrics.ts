/**
 * All metrics of one host, with their names. A state is read when somebody asks; an event is
 * counted as it happens.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { Counter, collectDefaultMetrics, Gauge, type Registry } from 'prom-client'
import type { UpgradeDatabase } from '../../core/control/upgradeDatabase.js'
import type { HostObserver } from '../../core/inspection/hostEvents.js'
import { type HostStatus, type NodeSnapshot, reasonsNotReady } from '../../core/inspection/hostStatus.js'
import type { HostMetrics, MetricsServer } from '../../core/inspection/metrics.js'
import type { Telemetry } from '../../core/inspection/telemetry.js'
import type { StateStore } from '../../core/ports/stateStore.js'
import { CallFigures, callBounds, waitBounds } from './callFigures.js'
import { DistributionHistogram, type Labelled } from './distribution.js'
import { measuredDatabase, measuredStore, RequestFigures, requestBounds } from './measuredPorts.js'
import { type MetricsListenOptions, serveMetrics } from './metricsServer.js'
import { shardMetrics } from './shardMetrics.js'
import { phaseBounds, UpgradeFigures } from './upgradeFigures.js'

export interface HostMetricsOptions extends MetricsListenOptions {
  readonly registry: Registry
  /** Whether the metrics of the process itself are shown too: memory, CPU time, garbage collection. */
  readonly processMetrics: boolean
}

interface Sample {
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

const eventLoopResolutionMs = 20
const nanosecondsPerSecond = 1e9

export class PrometheusMetrics implements HostMetrics {
  readonly #calls = new CallFigures()
  readonly #upgrades = new UpgradeFigures()
  readonly #commits = new RequestFigures()
  readonly #requests = new RequestFigures()
  readonly #counts = { writes: 0, disconnects: 0, nodeFailures: 0, warnings: 0 }
  readonly #deadLetters = new Map<string, number>()
  readonly #denied = new Map<string, number>()
  #askStatus: () => HostStatus = () => {
    throw new Error('the host has not started yet')
  }
  #known: HostStatus | undefined

  constructor(
    private readonly host: { readonly system: string; readonly hostId: string },
    private readonly options: HostMetricsOptions,
  ) {}

  readonly telemetry: Telemetry = {
    made: (call) => this.#calls.watchMade(call),
    sent: (call) => {
      if (call.service === null) this.#calls.events++
      else this.#calls.sends++
      return null
    },
    received: (call) => this.#calls.watchReceived(call),
    observe: ((event) => {
      this.#upgrades.observe(event)
      if (event.type === 'deadLetter') this.#deadLetters.set(event.fault.kind, (this.#deadLetters.get(event.fault.kind) ?? 0) + 1)
      if (event.type === 'denied') this.#denied.set(event.fault.code, (this.#denied.get(event.fault.code) ?? 0) + event.count)
      if (event.type === 'nodeFailed') this.#counts.nodeFailures++
      if (event.type === 'warning') this.#counts.warnings++
      if (event.type === 'transport' && event.status === 'disconnected') this.#counts.disconnects++
    }) satisfies HostObserver,
  }

  store(store: StateStore): StateStore {
    return measuredStore(store, this.#commits, (writes) => {
      this.#counts.writes += writes
    })
  }

  database(database: UpgradeDatabase): UpgradeDatabase {
    return measuredDatabase(database, this.#requests)
  }

  async serve(status: () => HostStatus): Promise<MetricsServer> {
    const { registry, processMetrics } = this.options
    this.#askStatus = status
    const eventLoop = monitorEventLoopDelay({ resolution: eventLoopResolutionMs })
    this.#registerCalls()
    this.#registerNodes()
    this.#registerUpgrades()
    this.#registerEdges()
    this.#registerLoop(eventLoop)
    for (const { kind, name, help, labels, samples } of shardMetrics) {
      const all = () => (this.#status().offers ?? []).flatMap(samples)
      if (kind === 'gauge') this.#gauge(name, help, [...labels], all)
      else this.#counter(name, help, [...labels], all)
    }
    if (processMetrics) showProcess(registry)
    const metrics = () => registry.metrics()
    const server = await serveMetrics(this.options, { status, metrics, contentType: registry.contentType })
    eventLoop.enable()
    const close = async () => {
      eventLoop.disable()
      await server.close()
    }
    return { url: server.url, close }
  }

  /** Asked for once in a scrape: a host may have ten thousand nodes. */
  #status(): HostStatus {
    if (this.#known === undefined) {
      this.#known = this.#askStatus()
      setImmediate(() => {
        this.#known = undefined
      })
    }
    return this.#known
  }

  #registerCalls(): void {
    const calls = this.#calls
    this.#counter(
      'theseus_calls_received_total',
      'Calls, sends and events that nodes of this host have dealt with, by the class and the version they were meant for; both are empty where no method answered.',
      ['service', 'class', 'version', 'outcome'],
      () =>
        [...calls.received].flatMap(({ service, className, version, outcomes }) =>
          Object.entries(outcomes).map(([outcome, value]) => ({
            labels: { service, class: className, version, outcome },
            value,
          })),
        ),
    )
    const received = (of: 'durations' | 'waits') => () =>
      [...calls.received]
        .filter(({ className }) => className !== '')
        .map(({ service, className, version, [of]: distribution }) => ({
          labels: { service, class: className, version },
          distribution,
        }))
    const labels = ['service', 'class', 'version'] as const
    this.#histogram(
      'theseus_call_duration_seconds',
      'How long methods ran, until their result; the commit comes after.',
      labels,
      callBounds,
      received('durations'),
    )
    this.#histogram(
      'theseus_call_wait_seconds',
      'How long calls waited for their turn before their method ran.',
      labels,
      waitBounds,
      received('waits'),
    )
    const simulations = (of: 'simulated' | 'refused') => () =>
      [...calls.received]
        .filter(({ className }) => className !== '')
        .map(({ service, className, version, [of]: value }) => ({ labels: { service, class: className, version }, value }))
    this.#counter(
      'theseus_simulated_calls_total',
      'Calls that went through a simulation object.',
      [...labels],
      simulations('simulated'),
    )
    this.#counter(
      'theseus_simulation_refusals_total',
      'Calls that a simulation object refused.',
      [...labels],
      simulations('refused'),
    )
    this.#counter(
      'theseus_calls_made_total',
      'Calls that were made on this host, by how they ended.',
      ['service', 'outcome'],
      () =>
        [...calls.made].flatMap(({ service, outcomes }) =>
          Object.entries(outcomes).map(([outcome, value]) => ({ labels: { service, outcome }, value })),
        ),
    )
    this.#histogram(
      'theseus_call_made_duration_seconds',
      'How long calls took that were made on this host, from the caller to the answer.',
      ['service'],
      callBounds,
      () => [...calls.made].map(({ service, durations }) => ({ labels: { service }, distribution: durations })),
    )
    this.#counter('theseus_sends_total', 'One-way sends and events that left this host.', ['kind'], () => [
      { labels: { kind: 'send' }, value: calls.sends },
      { labels: { kind: 'event' }, value: calls.events },
    ])
    this.#gauge('theseus_open_calls', 'Calls made on this host that wait for their answer.', [], () => [
      { labels: {}, value: this.#status().openCalls },
    ])
  }

  #registerNodes(): void {
    const nodes = () => this.#status().nodes
    this.#gauge('theseus_host_info', 'Always 1: which host this is.', ['host'], () => [
      { labels: { host: this.host.hostId }, value: 1 },
    ])
    this.#gauge('theseus_host_ready', 'Whether /readyz says yes.', [], () => [
      { labels: {}, value: reasonsNotReady(this.#status()).length === 0 ? 1 : 0 },
    ])
    this.#gauge('theseus_newest_version', 'The newest version that this host has heard of.', [], () => [
      { labels: {}, value: this.#status().newestVersion },
    ])
    this.#gauge(
      'theseus_nodes',
      'Nodes on this host, by what they run and their phase.',
      ['service', 'class', 'version', 'phase'],
      () =>
        grouped(
          nodes(),
          ({ service, className, version, phase }) => ({ service, class: className, version: String(version), phase }),
          (of) => of.length,
        ),
    )
    this.#gauge('theseus_nodes_serving', 'Nodes on this host whose mailbox is open.', ['service'], () =>
      byService(nodes(), (of) => of.filter(({ isServing }) => isServing).length),
    )
    this.#gauge(
      'theseus_mailbox_calls',
      'Calls that wait for their turn in the mailboxes of nodes that serve.',
      ['service'],
      () => byService(nodes(), (of) => sumOf(of, ({ isServing, waiting }) => (isServing ? waiting : 0))),
    )
    this.#gauge('theseus_mailbox_calls_max', 'Calls that wait in the fullest mailbox.', ['service'], () =>
      byService(nodes(), (of) => Math.max(...of.map(({ waiting }) => waiting))),
    )
    this.#gauge(
      'theseus_held_calls',
      'Calls that are held by nodes that do not serve, because they upgrade or restart, and calls of versions that a node does not know yet.',
      ['service'],
      () => byService(nodes(), (of) => sumOf(of, ({ isServing, waiting, fetching }) => fetching + (isServing ? 0 : waiting))),
    )
  }

  #registerUpgrades(): void {
    const upgrades = this.#upgrades
    this.#histogram(
      'theseus_upgrade_phase_duration_seconds',
      'How long the phases of upgrades took that have ended.',
      ['service', 'phase'],
      phaseBounds,
      () =>
        [...upgrades.phases].map(({ service, phase, durations }) => ({ labels: { service, phase }, distribution: durations })),
    )
    this.#histogram(
      'theseus_transform_duration_seconds',
      'How long transform functions took, whether or not they succeeded: the phase transforming.',
      ['service'],
      phaseBounds,
      () =>
        [...upgrades.phases]
          .filter(({ phase }) => phase === 'transforming')
          .map(({ service, durations }) => ({ labels: { service }, distribution: durations })),
    )
    this.#counter('theseus_upgrades_total', 'Upgrades of nodes, by how they ended.', ['service', 'outcome'], () =>
      [...upgrades.outcomes].map(({ service, outcome, count }) => ({ labels: { service, outcome }, value: count })),
    )
    this.#counter('theseus_node_failures_total', 'Nodes that failed and were started again, or may not run here.', [], () => [
      { labels: {}, value: this.#counts.nodeFailures },
    ])
    this.#counter('theseus_warnings_total', 'Warnings of the host; its log has them.', [], () => [
      { labels: {}, value: this.#counts.warnings },
    ])
  }

  #registerEdges(): void {
    const outcomes = ({ succeeded, failed }: RequestFigures) => [
      { labels: { outcome: 'succeeded' }, value: succeeded },
      { labels: { outcome: 'failed' }, value: failed },
    ]
    this.#counter('theseus_dead_letters_total', 'Messages that were not carried out and had nobody to be told.', ['kind'], () =>
      [...this.#deadLetters].map(([kind, value]) => ({ labels: { kind }, value })),
    )
    this.#counter('theseus_denied_calls_total', 'Calls that were not let in, or that a method is not for.', ['code'], () =>
      [...this.#denied].map(([code, value]) => ({ labels: { code }, value })),
    )
    this.#gauge('theseus_transport_connected', 'Whether the host is connected to NATS.', [], () => [
      { labels: {}, value: this.#status().transport === 'connected' ? 1 : 0 },
    ])
    this.#counter('theseus_transport_disconnects_total', 'How often the connection to NATS was lost.', [], () => [
      { labels: {}, value: this.#counts.disconnects },
    ])
    this.#gauge('theseus_database_up', 'Whether the upgrade database answered the newest request.', [], () => [
      { labels: {}, value: this.#requests.isUp ? 1 : 0 },
    ])
    this.#counter('theseus_database_requests_total', 'Requests to the upgrade database.', ['outcome'], () =>
      outcomes(this.#requests),
    )
    this.#histogram(
      'theseus_database_request_duration_seconds',
      'How long requests to the upgrade database took.',
      [],
      requestBounds,
      () => [{ labels: {}, distribution: this.#requests.durations }],
    )
    this.#counter('theseus_commits_total', 'Transactions of the state store.', ['outcome'], () => outcomes(this.#commits))
    this.#counter('theseus_commit_writes_total', 'Keys written in transactions of the state store.', [], () => [
      { labels: {}, value: this.#counts.writes },
    ])
    this.#histogram(
      'theseus_commit_duration_seconds',
      'How long transactions of the state store took.',
      [],
      requestBounds,
      () => [{ labels: {}, distribution: this.#commits.durations }],
    )
  }

  /** Since somebody last asked. */
  #registerLoop(eventLoop: ReturnType<typeof monitorEventLoopDelay>): void {
    const seconds = (nanoseconds: number) => (Number.isFinite(nanoseconds) ? nanoseconds / nanosecondsPerSecond : 0)
    this.#gauge('theseus_event_loop_delay_mean_seconds', 'Mean delay of the event loop since the last scrape.', [], () => [
      { labels: {}, value: seconds(eventLoop.mean) },
    ])
    this.#gauge('theseus_event_loop_delay_max_seconds', 'Longest delay of the event loop since the last scrape.', [], () => [
      { labels: {}, value: eventLoop.count === 0 ? 0 : seconds(eventLoop.max) },
    ])
    // The last of the three starts anew.
    this.#gauge(
      'theseus_event_loop_delay_p99_seconds',
      'Delay of the event loop, 99th percentile since the last scrape.',
      [],
      () => {
        const value = eventLoop.count === 0 ? 0 : seconds(eventLoop.percentile(99))
        eventLoop.reset()
        return [{ labels: {}, value }]
      },
    )
  }

  #counter(name: string, help: string, labelNames: string[], samples: () => Iterable<Sample>): void {
    const { registry } = this.options
    new Counter({
      name,
      help,
      labelNames,
      registers: [registry],
      collect() {
        this.reset()
        for (const { labels, value } of samples()) this.inc(labels, value)
      },
    })
  }

  #gauge(name: string, help: string, labelNames: string[], samples: () => Iterable<Sample>): void {
    const { registry } = this.options
    new Gauge({
      name,
      help,
      labelNames,
      registers: [registry],
      collect() {
        this.reset()
        for (const { labels, value } of samples()) this.set(labels, value)
      },
    })
  }

  #histogram<L extends string>(
    name: string,
    help: string,
    labelNames: readonly L[],
    bounds: readonly number[],
    all: () => Iterable<Labelled<L>>,
  ): void {
    const { registry } = this.options
    new DistributionHistogram<L>({ name, help, labelNames: [...labelNames], buckets: [...bounds], registers: [registry] }, all)
  }
}

/** Gauges of prom-client that are named as counters are: `promtool check metrics` objects to them. */
const misnamed = ['nodejs_active_resources_total', 'nodejs_active_handles_total', 'nodejs_active_requests_total']

function showProcess(registry: Registry): void {
  collectDefaultMetrics({ register: registry })
  for (const { name } of registry.getMetricsAsArray()) {
    // The delay of the event loop is shown by the host itself.
    if (misnamed.includes(name) || name.startsWith('nodejs_eventloop_lag')) registry.removeSingleMetric(name)
  }
}

function byService(nodes: readonly NodeSnapshot[], measure: (of: readonly NodeSnapshot[]) => number): Sample[] {
  return grouped(nodes, ({ service }) => ({ service }), measure)
}

function grouped(
  nodes: readonly NodeSnapshot[],
  labelsOf: (node: NodeSnapshot) => Readonly<Record<string, string>>,
  measure: (of: readonly NodeSnapshot[]) => number,
): Sample[] {
  const groups = Map.groupBy(nodes, (node) => JSON.stringify(labelsOf(node)))
  return [...groups.values()].map((of) => ({ labels: labelsOf(of[0]!), value: measure(of) }))
}

function sumOf(nodes: readonly NodeSnapshot[], of: (node: NodeSnapshot) => number): number {
  return nodes.reduce((total, node) => total + of(node), 0)
}

/**
 * The logs of a system's shards on NATS JetStream. All of one process share a connection, which is made
 * when the first is opened.
 */
import type { NatsConnection } from 'nats'
import { Fault } from '../../core/base/fault.js'
import { SharedTask, SharedWork } from '../../core/base/sharedWork.js'
import type { ShardLog, ShardLogs } from '../../core/ports/log.js'
import { safeErrorHandler } from '../factory.js'
import { type NatsOptions, serversOf } from '../nats/natsFactory.js'
import { defaultWaits, JetStreamApi, type StreamState } from './jetStreamApi.js'
import { JetStreamConnection } from './jetStreamConnection.js'
import { JetStreamLog } from './jetStreamLog.js'
import { JetStreamSnapshots } from './jetStreamSnapshots.js'
import { openStream } from './openStream.js'
import type { StreamUse } from './streamConfig.js'
import { logNames, logsOf, type StreamNames, snapshotNames, snapshotsUnder } from './streamNames.js'
import { testedServer, untestedServerLine } from './testedServers.js'

/** The settings of the connection are those of `nats()`. */
export interface JetStreamOptions extends NatsOptions {
  readonly system: string
  /** Servers that each keep all of a log: 1, 3 or 5. An odd number loses its majority latest. */
  readonly replicas: number
  /** nats-server runs with `sync_interval: always`: an entry of one replica survives a power cut. */
  readonly isSynced?: boolean
  /** How the connection is called in the server's own monitoring. */
  readonly name?: string
  /** Bounds the wait for one answer. 2,000 by default. An append that has none by then is `unknown`. */
  readonly answerTimeoutMs?: number
  /**
   * Bounds reading and opening: how long JetStream is asked again while it elects leaders. 15,000 by default.
   */
  readonly askTimeoutMs?: number
  /**
   * Told of logs with one replica, and of servers that the tests do not cover, one line each. Without it, it
   * is a process warning.
   */
  readonly onWarning?: (line: string) => void
}

const oneReplica = 'With the disk of its nats-server they are gone: docs/sharded.md says what three servers do'

/** Throws `config.invalid` for options that can't be meant. */
export function jetStreamLogs(options: JetStreamOptions): ShardLogs {
  const { replicas } = options
  if (!Number.isSafeInteger(replicas) || replicas < 1 || replicas > 5)
    throw new Fault('config.invalid', `replicas: ${replicas}: use 1, 3 or 5`)
  return new JetStreamLogs(options, serversOf(options))
}

class JetStreamLogs implements ShardLogs {
  readonly #connecting = new SharedTask<JetStreamApi>()
  /** By the name of the stream: shards share the one of their snapshots. */
  readonly #opening = new SharedWork<string, StreamState>()
  #api: JetStreamApi | undefined
  #isClosed = false
  readonly #logs = new Set<JetStreamLog>()
  /** The matters that were warned of. */
  readonly #warned = new Set<string>()

  constructor(
    readonly options: JetStreamOptions,
    readonly servers: readonly string[],
  ) {}

  async open(service: string, shard: number): Promise<ShardLog> {
    const { system, replicas, isSynced } = this.options
    const names = logNames(system, service, shard)
    const snapshots = snapshotNames(system, service)
    const api = await this.#connected()
    const open = (use: StreamUse, of: StreamNames): Promise<StreamState> =>
      this.#opening.run(of.stream, () => openStream(api, use, of, replicas))
    const { config } = await open('log', names)
    if ((config as { readonly num_replicas?: number }).num_replicas === 1)
      this.#warn(`the logs of ${service} have one replica: durable, not replicated. ${oneReplica}`)
    await open('snapshots', snapshots)
    const durability = replicas > 1 ? 'replicated' : isSynced === true ? 'disk' : 'process'
    const kept = new JetStreamSnapshots(api, snapshots.stream, snapshotsUnder(system, service, shard))
    const log = new JetStreamLog(api, names, durability, kept, () => this.#logs.delete(log))
    this.#logs.add(log)
    return log
  }

  async shardsOf(service: string): Promise<readonly number[]> {
    const { subject, shardOf } = logsOf(this.options.system, service)
    const streams = await (await this.#connected()).streamsOn(subject)
    return streams.flatMap((stream) => shardOf(stream) ?? []).sort((a, b) => a - b)
  }

  async #connected(): Promise<JetStreamApi> {
    if (this.#isClosed) throw closed()
    return this.#api ?? this.#connecting.run(() => this.#connect())
  }

  async #connect(): Promise<JetStreamApi> {
    const { name = `theseus ${this.options.system} logs`, answerTimeoutMs, askTimeoutMs } = this.options
    const connection = await JetStreamConnection.open(this.options, this.servers, name, (made) => this.#check(made))
    if (this.#isClosed) {
      await connection.close()
      throw closed()
    }
    this.#api = new JetStreamApi(connection, {
      answerMs: answerTimeoutMs ?? defaultWaits.answerMs,
      askMs: askTimeoutMs ?? defaultWaits.askMs,
    })
    return this.#api
  }

  #check(connection: NatsConnection): void {
    const { version = '?' } = connection.info ?? {}
    if (!testedServer(version)) this.#warn(untestedServerLine(version, connection.getServer()), version)
  }

  /** Once of each matter. */
  #warn(line: string, matter = line): void {
    if (this.#warned.has(matter)) return
    this.#warned.add(matter)
    const { onWarning = (text: string) => process.emitWarning(text, 'TransportWarning') } = this.options
    safeErrorHandler(() => onWarning(line))(undefined)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await Promise.all([...this.#logs].map((log) => log.close()))
    await this.#api?.connection.close()
  }
}

function closed(): Fault {
  return new Fault('unavailable.disconnected', 'the logs on JetStream are closed')
}

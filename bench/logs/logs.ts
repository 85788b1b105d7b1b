/**
 * Logs of shards on JetStream: entries a second, beside the client's own publish to streams of the same kind,
 * on one server and on three; and the time that it takes to read entries and to keep a snapshot.
 */
import { connect, type JetStreamClient } from 'nats'
import { jetStreamLogs } from 'theseus-actors/jetstream'
import { type NatsCluster, startNatsCluster } from '../../test/support/natsCluster.js'
import { type Bench, type Options, progress } from '../options.js'
import { machineLine } from '../processes/machine.js'
import { median } from '../statistics.js'
import { brief, table, whole } from '../table.js'

const entry = new Uint8Array(300).fill(7)
const logsCount = 16
const loads = [1, 256] as const
const sizes = { quick: { rounds: 1, durationMs: 500 }, whole: { rounds: 5, durationMs: 2_000 } }
const entriesRead = 10_000
const snapshotBytes = 100 * 1024 * 1024
const waitMs = 60_000

interface LogsLine {
  readonly servers: number
  readonly inFlight: number
  readonly publishesPerSecond: number
  readonly appendsPerSecond: number
  /** The median of the rounds' ratios. */
  readonly ratio: number
}

interface LogsReport {
  readonly machine: string
  readonly lines: readonly LogsLine[]
  readonly times: readonly {
    readonly servers: number
    readonly readMs: number
    readonly writeSnapshotMs: number
    readonly readSnapshotMs: number
  }[]
}

export const logs: Bench<LogsReport> = {
  name: 'logs',
  about: 'logs of shards on JetStream, on one server and on three: about two minutes',
  run: measure,
  text: logsText,
}

/** Appends or publishes one entry to the stream of that number. */
type Send = (stream: number) => Promise<void>

interface Contenders {
  readonly publish: Send
  readonly append: Send
  times(): Promise<Omit<LogsReport['times'][number], 'servers'>>
  end(): Promise<void>
}

async function measure(options: Options): Promise<LogsReport> {
  const { rounds, durationMs } = options.quick ? sizes.quick : sizes.whole
  const lines: LogsLine[] = []
  const times: LogsReport['times'][number][] = []
  for (const servers of [1, 3]) {
    const cluster = await startNatsCluster({ size: servers })
    const contenders = await contendersOn(cluster)
    try {
      for (const inFlight of loads) {
        const samples: { readonly publishes: number; readonly appends: number }[] = []
        for (let round = 1; round <= (options.rounds ?? rounds); round++) {
          progress(`${servers} servers, ${inFlight} in flight, round ${round}`)
          const forMs = options.durationMs ?? durationMs
          samples.push({
            publishes: await perSecond(contenders.publish, inFlight, forMs),
            appends: await perSecond(contenders.append, inFlight, forMs),
          })
        }
        lines.push({
          servers,
          inFlight,
          publishesPerSecond: median(samples.map(({ publishes }) => publishes)),
          appendsPerSecond: median(samples.map(({ appends }) => appends)),
          ratio: median(samples.map(({ publishes, appends }) => appends / publishes)),
        })
      }
      progress(`${servers} servers, entries and a snapshot are read`)
      times.push({ servers, ...(await contenders.times()) })
    } finally {
      await contenders.end()
      await cluster.stop()
    }
  }
  return { machine: machineLine(), lines, times }
}

async function contendersOn(cluster: NatsCluster): Promise<Contenders> {
  const replicas = cluster.servers.length
  const shared = { servers: cluster.urls, replicas, answerTimeoutMs: waitMs, askTimeoutMs: waitMs }
  const places = await Promise.all(['plain', 'logs'].map(async (system) => jetStreamLogs({ ...shared, system })))
  const [plain, own] = await Promise.all(
    places.map((place) => Promise.all(Array.from({ length: logsCount }, (_, n) => place.open('bench', n)))),
  )
  const connection = await connect({ servers: [...cluster.urls], noAsyncTraces: true })
  const client: JetStreamClient = connection.jetstream({ timeout: waitMs })
  const ends = own!.map(() => 0)
  return {
    async publish(stream) {
      await client.publish(`theseus-log.plain.bench.${stream}`, entry)
    },
    async append(stream) {
      const { kind } = await own![stream]!.append(entry, ends[stream]!++)
      if (kind !== 'appended') throw new Error(`an append ended with ${kind}`)
    },
    async times() {
      const log = plain![0]!
      const { last } = await log.ends()
      for (let n = last; n < entriesRead; n++) await client.publish('theseus-log.plain.bench.0', entry)
      const end = (await log.ends()).last
      const readMs = await timed(async () => {
        for await (const _ of log.read(end - entriesRead));
      })
      const { snapshots } = log
      const slice = new Uint8Array(512 * 1024).fill(7)
      const slices = Array.from({ length: snapshotBytes / slice.length }, () => slice)
      const writeSnapshotMs = await timed(() => snapshots.write('1-1', slices))
      const readSnapshotMs = await timed(async () => {
        for await (const _ of snapshots.read('1-1'));
      })
      return { readMs, writeSnapshotMs, readSnapshotMs }
    },
    async end() {
      await connection.close()
      await Promise.all(places.map((place) => place.close()))
    },
  }
}

async function timed(work: () => Promise<void>): Promise<number> {
  const startedAt = performance.now()
  await work()
  return performance.now() - startedAt
}

async function perSecond(send: Send, inFlight: number, durationMs: number): Promise<number> {
  const startedAt = performance.now()
  let sent = 0
  const writer = async (n: number): Promise<void> => {
    while (performance.now() - startedAt < durationMs) {
      await send(n % logsCount)
      sent++
    }
  }
  await Promise.all(Array.from({ length: inFlight }, (_, n) => writer(n)))
  return sent / ((performance.now() - startedAt) / 1000)
}

function logsText({ machine, lines, times }: LogsReport): string {
  const rates = table(
    [
      ...[{ title: 'servers' }, { title: 'in flight' }, { title: 'publishes/s' }],
      ...[{ title: 'appends/s' }, { title: 'ratio' }],
    ],
    lines.map((line) => [
      ...[String(line.servers), String(line.inFlight), whole(line.publishesPerSecond)],
      ...[whole(line.appendsPerSecond), brief(line.ratio)],
    ]),
  )
  const waits = table(
    [{ title: 'servers' }, { title: '10,000 entries, ms' }, { title: 'write 100 MB, ms' }, { title: 'read 100 MB, ms' }],
    times.map((time) => [String(time.servers), whole(time.readMs), whole(time.writeSnapshotMs), whole(time.readSnapshotMs)]),
  )
  return `logs of shards on JetStream, ${machine}\n${rates}\n\n${waits}`
}

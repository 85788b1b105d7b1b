/**
 * One upgrade server gives 1,000 hosts a bundle of 1 MB at once: how long it takes them, and
 * what it does to the server.
 */
import { connectOperator, draftManifest, startUpgradeServer } from 'theseus-actors'
import { nats } from 'theseus-actors/nats'
import { redis } from 'theseus-actors/redis'
import { metersMeasureInKelvin } from '../meters.js'
import { type Bench, type Options, progress } from '../options.js'
import { watched } from '../processes/callObserver.js'
import { cpuTimeUs } from '../processes/cpuTime.js'
import { type LoopFigures, LoopWatch } from '../processes/loopWatch.js'
import { machineLine } from '../processes/machine.js'
import { BenchProcess } from '../processes/parentProcess.js'
import { type Servers, withServers } from '../processes/servers.js'
import { percentiles } from '../statistics.js'
import { brief, whole } from '../table.js'
import { buildCall, meters } from '../upgrades.js'
import type { FetchersOrder, FetchersResult } from './fetchers.js'

const system = 'bundle'
const sizes = { quick: { processes: 2, hostsEach: 50 }, whole: { processes: 4, hostsEach: 250 } }
/** Four chunks. */
const bundleBytes = 1024 * 1024
/** Of core/upgrade/manifest.ts: in how large parts a bundle travels. */
const chunkBytes = 256 * 1024
const timeoutMs = 90_000

export interface BundleReport {
  readonly machine: string
  readonly hosts: number
  readonly bundleBytes: number
  /** Hosts that had it when the time was up. */
  readonly served: number
  /** From the order to publish. */
  readonly medianMs: number
  readonly lastMs: number
  readonly megabytesPerSecond: number
  /**
   * Chunks that the upgrade server sent, by those that the hosts needed: 1 where none was asked for twice.
   */
  readonly chunksSentRatio: number
  /** The reasons why hosts do not have it. */
  readonly reasons: readonly string[]
  readonly cpuMs: { readonly redis: number; readonly natsServer: number }
  readonly server: LoopFigures & { readonly rssMb: number; readonly rssBeforeMb: number }
}

export const bundle: Bench<BundleReport> = {
  name: 'bundle',
  about: 'one upgrade server gives 1,000 hosts a bundle of 1 MB: about a minute',
  run: async (options) => {
    const machine = machineLine()
    return { machine, ...(await withServers((servers) => measure(servers, options))) }
  },
  text: bundleText,
}

async function measure({ nats: natsServer, redis: redisServer, directory }: Servers, options: Options) {
  const size = options.quick ? sizes.quick : sizes.whole
  const { processes } = size
  const hostsEach = options.nodes === undefined ? size.hostsEach : Math.ceil(options.nodes[0]! / processes)
  const hosts = processes * hostsEach
  const urls = { natsUrl: natsServer.url, redisUrl: redisServer.url }
  const ways = { system, transport: nats(urls.natsUrl), udb: redis(urls.redisUrl) }
  let chunksSent = 0
  const transport = {
    connect: async (...args: Parameters<typeof ways.transport.connect>) =>
      watched(await ways.transport.connect(...args), (name, [, payload]) => {
        if (name === 'publish' && (payload as Uint8Array).length >= chunkBytes) chunksSent++
      }),
  }
  // The upgrade server is in this process, which does nothing else meanwhile.
  const server = await startUpgradeServer({ ...ways, transport })
  const operator = await connectOperator(ways)
  const fetchers: BenchProcess[] = []
  try {
    const upgrade = await paddedUpgrade(directory)
    for (let i = 0; i < processes; i++) {
      progress(`${whole((i + 1) * hostsEach)} of ${whole(hosts)} hosts`)
      const name = `fetcher-${i}`
      const order: FetchersOrder = { system, ...urls, directory: `${directory}/${name}`, name, hosts: hostsEach, timeoutMs }
      fetchers.push(await BenchProcess.begin('../bundle/fetchers.js', order))
    }
    const results = fetchers.map((fetcher) => fetcher.told<FetchersResult>())
    const watch = new LoopWatch()
    const memory = new Peak()
    const serversCpuMs = () => ({ redis: cpuTimeUs(redisServer.pid) / 1000, natsServer: cpuTimeUs(natsServer.pid) / 1000 })
    const cpuBefore = serversCpuMs()
    watch.begin()
    const publishedAtMs = Date.now()
    await operator.publish(upgrade)
    const told = await Promise.all(results)
    const loop = await watch.end()
    const cpuAfter = serversCpuMs()
    const readyMs = told.flatMap(({ readyAtMs }) => readyAtMs).map((atMs) => atMs - publishedAtMs)
    const [medianMs, lastMs] = percentiles(readyMs, [0.5, 1]) as [number, number]
    return {
      hosts,
      bundleBytes: upgrade.bundle.length,
      served: readyMs.length,
      medianMs,
      lastMs,
      megabytesPerSecond: readyMs.length === 0 ? 0 : (readyMs.length * upgrade.bundle.length) / 2 ** 20 / (lastMs / 1000),
      chunksSentRatio: chunksSent / (hosts * (bundleBytes / chunkBytes)),
      reasons: [...new Set(told.flatMap(({ reasons }) => reasons))],
      server: { ...loop, ...memory.end() },
      cpuMs: { redis: cpuAfter.redis - cpuBefore.redis, natsServer: cpuAfter.natsServer - cpuBefore.natsServer },
    }
  } finally {
    await Promise.all(fetchers.map((fetcher) => fetcher.stop()))
    await operator.close()
    await server.stop()
  }
}

/** An upgrade with a comment that makes its bundle as large as wanted. */
async function paddedUpgrade(directory: string) {
  const { bundle: bytes } = await buildCall(directory, meters, 'metersMeasureInKelvin', 'eagerly')
  const comment = `\n// ${'.'.repeat(bundleBytes - bytes.length - 4)}`
  const padded = new Uint8Array(Buffer.concat([bytes, Buffer.from(comment)]))
  return { manifest: draftManifest(metersMeasureInKelvin('eagerly'), padded), bundle: padded }
}

/** The most memory that this process has had. */
class Peak {
  readonly #before = process.memoryUsage.rss()
  #peak = this.#before
  readonly #timer = setInterval(() => {
    this.#peak = Math.max(this.#peak, process.memoryUsage.rss())
  }, 20)

  end() {
    clearInterval(this.#timer)
    return { rssMb: this.#peak / 2 ** 20, rssBeforeMb: this.#before / 2 ** 20 }
  }
}

function bundleText(report: BundleReport): string {
  const { machine, hosts, bundleBytes: bytes, served, medianMs, lastMs, megabytesPerSecond, reasons, server } = report
  return [
    machine,
    `${whole(served)} of ${whole(hosts)} hosts had the bundle of ${whole(bytes)} bytes: half of them after ${brief(medianMs / 1000)} s, the last after ${brief(lastMs / 1000)} s, ${whole(megabytesPerSecond)} MB/s.`,
    `Each chunk was sent ${brief(report.chunksSentRatio)} times. CPU time of Redis ${brief(report.cpuMs.redis / 1000)} s, of nats-server ${brief(report.cpuMs.natsServer / 1000)} s.`,
    `The upgrade server: longest block ${whole(server.longestBlockMs)} ms, ${Math.round(server.busy * 100)} % busy, ${brief(server.cpuMs / 1000)} s of CPU time, at most ${whole(server.rssMb)} MB in memory (${whole(server.rssBeforeMb)} before).`,
    ...reasons.map((reason) => `! ${reason}`),
  ].join('\n')
}

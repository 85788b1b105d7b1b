/**
 * The demo with real processes: `natsctl up` runs nats-server, redis-server, an upgrade server and three
 * hosts; two client processes call them; upgrades are built and published with natsctl.
 */
import { type ChildProcess, fork, spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { createHost, type NodeRow, type RunningHost } from 'theseus-actors'
import { type ClientView, Interruption, pause, readBack, Screen, summary } from 'theseus-actors/demo'
import { memoryStore } from 'theseus-actors/memory'
import { nats } from 'theseus-actors/nats'
import { redis } from 'theseus-actors/redis'
import { PagesV1 } from '../02-pages-comments/pages.v1.js'
import { PagesV2 } from '../02-pages-comments/pages.v2.js'
import { PagesV3 } from '../02-pages-comments/pages.v3.js'
import type { ClientOrder, ClientReport } from './clientProcess.js'
import { lostHostScene, sceneLine } from './lostHost.js'

const hosts = { h1: ['p1', 'p2'], h2: ['p3', 'p4'], h3: ['p5'] }
const nodeIds = Object.values(hosts).flat()
const pagesModule = fileURLToPath(new URL('../02-pages-comments/pages.v1.js', import.meta.url))
const upgrades = new URL('../../../samples/02-pages-comments/upgrades/', import.meta.url)
const cartsUpgrades = new URL('../../../samples/demo/carts/', import.meta.url)
const natsctl = fileURLToPath(new URL('../../natsctl/main.js', import.meta.url))

interface Addresses {
  readonly THESEUS_SYSTEM: string
  readonly NATS_URL: string
  readonly THESEUS_REDIS: string
}

/** Ctrl-C ends the story early, and everything that was started for it. */
export async function withServers(): Promise<number> {
  const interruption = new Interruption()
  const interrupted = interruption.asked.then(() => () => 130)
  const directory = await mkdtemp(join(tmpdir(), 'theseus-demo-'))
  const closing: (() => unknown)[] = [() => interruption.close(), () => rm(directory, { recursive: true, force: true })]
  let end: () => number
  try {
    end = await Promise.race([interrupted, story(directory, closing)])
  } finally {
    for (const close of closing.reverse()) await close()
  }
  // Last, when everything that was started has said its last word.
  return end()
}

/** Adds to `closing` how to end each thing that it starts. */
async function story(directory: string, closing: (() => unknown)[]): Promise<() => number> {
  const screen = new Screen()
  screen.say('$ natsctl up')
  const { ready, child } = up(directory, screen)
  closing.push(() => ended(child, 'SIGTERM'))
  const addresses = await ready
  const desk = await createHost({
    system: addresses.THESEUS_SYSTEM,
    transport: nats(addresses.NATS_URL),
    udb: redis(addresses.THESEUS_REDIS),
    state: memoryStore(),
    bundles: join(directory, 'bundles'),
  })
  closing.push(() => desk.stop())
  return play(desk, addresses, directory, screen, closing)
}

async function play(
  desk: RunningHost,
  addresses: Addresses,
  directory: string,
  screen: Screen,
  closing: (() => unknown)[],
): Promise<() => number> {
  const clients: Client[] = []
  let title = 'Five nodes of "pages" on three hosts at version 0, one client under load.'
  let isShown = true
  const watching = watch(
    desk,
    screen,
    clients,
    () => title,
    () => isShown,
  )
  clients.push(new Client('client for Pages.v1', { ...addresses, version: 0, nodes: nodeIds }))
  await pause(1500)

  const stages = [
    {
      file: '1-comments',
      version: 1,
      words: 'Version 1: readers can comment on a page. A client written for it calls at once; future-SOs answer it.',
    },
    {
      file: '2-likes',
      version: 2,
      words: 'Version 2: comments can be liked. They are records now; a past-SO still gives version 1 its plain texts.',
    },
  ]
  for (const { file, version, words } of stages) {
    const built = join(directory, `${file}.upgrade`)
    screen.say(`$ natsctl upgrade build ${file}.ts`)
    await command(['upgrade', 'build', fileURLToPath(new URL(`${file}.ts`, upgrades)), '-O', built], addresses)
    screen.say(`$ natsctl upgrade publish ${file}.upgrade`)
    await command(['upgrade', 'publish', built], addresses)
    title = words
    if (version === 1) clients.push(new Client('client for Pages.v2', { ...addresses, version: 1, nodes: nodeIds }))
    await command(['rollout', 'status', '--for', String(version), '--timeout', '120s', '-o', 'json'], addresses)
    await pause(1000)
  }

  title = 'All nodes run version 2. Clients of versions 0 and 1 never noticed.'
  await pause(100)
  isShown = false
  await watching
  const scene = await lostHostScene(
    { desk, screen, directory, addresses, publish: () => publishCarts(directory, addresses, screen) },
    closing,
  )
  const reports = await Promise.all(clients.map((client) => client.stop()))
  const pages = reports.flatMap((report) => report.pages)
  const lost: string[] = []
  for (const [version, target] of [PagesV1, PagesV2, PagesV3].entries()) {
    lost.push(...(await readBack((node) => desk.ref(target as typeof PagesV1, node, { version }), pages)))
  }
  return () => {
    process.stdout.write(`${sceneLine(scene)}\n`)
    return summary(
      [...reports.map(({ tally, failures }) => ({ ...tally, failures: new Map(failures) })), scene.tally],
      [...lost, ...scene.lost],
    )
  }
}

async function publishCarts(directory: string, addresses: Addresses, screen: Screen): Promise<number> {
  const built = join(directory, '3-last.upgrade')
  await command(['upgrade', 'build', fileURLToPath(new URL('3-last.ts', cartsUpgrades)), '-O', built], addresses)
  screen.say('$ natsctl upgrade publish 3-last.upgrade')
  await command(['upgrade', 'publish', built], addresses)
  return 3
}

/** Redraws from the upgrade database until the story ends. */
async function watch(
  desk: RunningHost,
  screen: Screen,
  clients: readonly Client[],
  title: () => string,
  isShown: () => boolean,
): Promise<void> {
  for (let last = false; !last; ) {
    last = !isShown()
    // After Ctrl-C the database goes away under this loop; the process ends soon.
    const rows = await desk.operator.database.nodes('pages').catch(() => [])
    screen.show({
      title: title(),
      nodes: rows.map((row) => ({
        id: row.nodeId,
        className: row.className,
        version: row.version,
        phase: row.phase,
        answers: whereabouts(row),
      })),
      clients: clients.map(({ view }) => view),
    })
    await pause(50)
  }
}

function whereabouts({ hostId, reason }: NodeRow): string {
  return reason === null ? hostId : `${hostId} · ${reason}`
}

/** Starts the local system. */
function up(directory: string, screen: Screen): { readonly ready: Promise<Addresses>; readonly child: ChildProcess } {
  const config = {
    system: 'demo',
    hosts: Object.fromEntries(
      Object.entries(hosts).map(([id, nodes]) => [
        id,
        { module: pagesModule, nodes: Object.fromEntries(nodes.map((node) => [node, 'PagesV1'])) },
      ]),
    ),
  }
  const file = join(directory, 'theseus.json')
  writeFileSync(file, JSON.stringify(config))
  const child = spawn(process.execPath, [natsctl, 'up', '--config', file, '-o', 'json'], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ready = new Promise<Addresses>((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`natsctl up ended with ${code}`)))
    createInterface({ input: child.stdout! }).on('line', (line) => {
      const told = JSON.parse(line)
      if (told.type === 'ready') resolve(told.env)
      else if (told.type === 'host')
        screen.say(`  host ${told.host}: ${told.nodes.map((node: { id: string }) => node.id).join(', ')}`)
      else screen.say(`  ${told.type} ${told.url ?? told.system}`)
    })
  })
  return { ready, child }
}

/** Runs natsctl to its end. */
async function command(args: readonly string[], addresses: Addresses): Promise<void> {
  const child = spawn(process.execPath, [natsctl, ...args], {
    env: { ...process.env, ...addresses },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const code = await new Promise((resolve) => child.once('exit', resolve))
  if (code !== 0) throw new Error(`natsctl ${args.join(' ')} ended with ${code}`)
}

/** A client process, and what it last told. */
class Client {
  readonly #child: ChildProcess
  #report: ClientReport | undefined

  constructor(
    private readonly name: string,
    order: ClientOrder,
  ) {
    this.#child = fork(new URL('./clientProcess.js', import.meta.url), {
      env: { ...process.env, CLIENT_ORDER: JSON.stringify(order) },
    })
    this.#child.on('message', (report) => {
      this.#report = report as ClientReport
    })
  }

  get view(): ClientView {
    const { calls = 0, failed = 0, wrong = 0 } = this.#report?.tally ?? {}
    return { name: this.name, calls, failed, wrong }
  }

  /** Ends the load; what the process tells last is everything. */
  async stop(): Promise<ClientReport> {
    this.#child.send('stop')
    await new Promise((resolve) => this.#child.once('exit', resolve))
    if (this.#report === undefined) throw new Error(`${this.name} told nothing`)
    return this.#report
  }
}

async function ended(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null) return
  const exit = new Promise((resolve) => child.once('exit', resolve))
  child.kill(signal)
  await exit
}

/**
 * The system of the demo: five nodes of the paper's web server in this process, no server, and clients that
 * work on them all the time.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createHost, type NodeHandle, type RunningHost } from 'theseus-actors'
import { buildUpgrade } from 'theseus-actors/build'
import { LoadClient, type Pages, readBack, type Tally } from './load.js'
import { PagesV1 } from './pages.v1.js'
import { PagesV2 } from './pages.v2.js'
import { PagesV3 } from './pages.v3.js'
import { PhaseTrail } from './phaseTrail.js'

export const demoSystem = 'demo'
const nodeIds = ['p1', 'p2', 'p3', 'p4', 'p5']
const upgrades = new URL('upgrades/', import.meta.url)

interface TitledClient {
  readonly title: string
  readonly client: LoadClient
}

/** The clients' tallies, and the acknowledged entries that are not there any more. */
export interface DemoResult {
  readonly tallies: readonly Tally[]
  readonly lost: readonly string[]
}

export class EmbeddedDemo {
  readonly nodes: NodeHandle[] = []
  readonly clients: TitledClient[] = []

  private constructor(
    private readonly host: RunningHost,
    private readonly directory: string,
    readonly trail: PhaseTrail,
  ) {}

  /** Nodes at version 0, and one client under load. */
  static async start(): Promise<EmbeddedDemo> {
    const directory = await mkdtemp(join(tmpdir(), 'theseus-demo-'))
    const trail = new PhaseTrail()
    try {
      const host = await createHost({ system: demoSystem, hostId: 'h1', directory, observe: trail.observe })
      const demo = new EmbeddedDemo(host, directory, trail)
      for (const id of nodeIds) demo.nodes.push(await host.node(PagesV1, id))
      demo.#load('v1', (node) => host.ref(PagesV1, node))
      return demo
    } catch (error) {
      await rm(directory, { recursive: true, force: true })
      throw error
    }
  }

  /** Version 1: readers can comment on a page. A client that is written for it calls at once. */
  async comments(): Promise<void> {
    const { host } = this
    await host.publish(await buildUpgrade(new URL('1-comments.js', upgrades)))
    this.#load('v2', (node) => host.ref(PagesV2, node))
  }

  /** Version 2: comments can be liked. */
  async likes(): Promise<void> {
    await this.host.publish(await buildUpgrade(new URL('2-likes.js', upgrades)))
  }

  async reached(version: number): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.reached(version)))
  }

  /** Ends the load, and reads back what was acknowledged, through every version that was published. */
  async account(published: 1 | 2): Promise<DemoResult> {
    for (const { client } of this.clients) await client.stop()
    const pages = this.clients.flatMap(({ client }) => client.pages)
    const lost: string[] = []
    for (const target of [PagesV1, PagesV2, PagesV3].slice(0, published + 1))
      lost.push(...(await readBack((node) => this.host.ref(target as typeof PagesV1, node), pages)))
    return { tallies: this.clients.map(({ client }) => client.tally), lost }
  }

  async close(): Promise<void> {
    for (const { client } of this.clients) await client.stop()
    await this.host.stop()
    await rm(this.directory, { recursive: true, force: true })
  }

  #load(name: string, ref: (node: string) => Pages): void {
    const client = new LoadClient(ref, { name, nodes: nodeIds, pagesPerNode: 2, pauseMs: 8 })
    this.clients.push({ title: `client for Pages.${name}`, client })
    client.start()
  }
}

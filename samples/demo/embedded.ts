/** The demo in one process: the embedded default, no server. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createHost, type NodeHandle, type RunningHost } from 'theseus'
import { buildUpgrade } from 'theseus/build'
import { PagesV1 } from '../02-pages-comments/pages.v1.js'
import { PagesV2 } from '../02-pages-comments/pages.v2.js'
import { PagesV3 } from '../02-pages-comments/pages.v3.js'
import { LoadClient, pause, readBack } from './load.js'
import { Screen } from './screen.js'
import { summary } from './summary.js'
import { Trail } from './trail.js'

const nodeIds = ['p1', 'p2', 'p3', 'p4', 'p5']
const upgrades = new URL('../02-pages-comments/upgrades/', import.meta.url)

export async function embedded(): Promise<number> {
  const directory = await mkdtemp(join(tmpdir(), 'theseus-demo-'))
  const trail = new Trail()
  const host = await createHost({
    system: 'demo',
    directory,
    observe: trail.observe,
  })
  try {
    return await play(host, trail)
  } finally {
    await host.stop()
    await rm(directory, { recursive: true, force: true })
  }
}

async function play(host: RunningHost, trail: Trail): Promise<number> {
  const nodes: NodeHandle[] = []
  for (const id of nodeIds) nodes.push(await host.node(PagesV1, id))
  const load = { nodes: nodeIds, pagesPerNode: 2, pauseMs: 8 }
  const clients = [
    { title: 'client for Pages.v1', client: new LoadClient((node) => host.ref(PagesV1, node), { ...load, name: 'v1' }) },
  ]
  const screen = new Screen()
  let title = 'Five nodes of "pages" at version 0, one client under load.'
  const show = () =>
    screen.show({
      title,
      nodes: nodes.map((node) => ({
        id: node.id,
        className: node.className,
        version: node.version,
        phase: trail.phase(node.id),
        answers: node.chain.map(({ version, role }) => `v${version} ${role}`).join(' · '),
        pause: trail.pause(node.id),
      })),
      clients: clients.map(({ title: name, client: { tally } }) => ({ name, ...tally })),
    })
  const redraw = setInterval(show, 50)
  clients[0]!.client.start()
  await pause(1500)

  title = 'Version 1 published: readers can comment on a page. A client written for it calls at once; future-SOs answer it.'
  await host.publish(await buildUpgrade(new URL('1-comments.js', upgrades)))
  clients.push({
    title: 'client for Pages.v2',
    client: new LoadClient((node) => host.ref(PagesV2, node), { ...load, name: 'v2' }),
  })
  clients[1]!.client.start()
  await Promise.all(nodes.map((node) => node.reached(1)))
  await pause(1000)

  title = 'Version 2 published: comments can be liked. They are records now; a past-SO still gives version 1 its plain texts.'
  await host.publish(await buildUpgrade(new URL('2-likes.js', upgrades)))
  await Promise.all(nodes.map((node) => node.reached(2)))
  await pause(1000)

  title = 'All nodes run version 2. Clients of versions 0 and 1 never noticed.'
  for (const { client } of clients) await client.stop()
  clearInterval(redraw)
  show()
  const pages = clients.flatMap(({ client }) => client.pages)
  const lost: string[] = []
  for (const target of [PagesV1, PagesV2, PagesV3])
    lost.push(...(await readBack((node) => host.ref(target as typeof PagesV1, node), pages)))
  return summary(
    clients.map(({ client }) => client.tally),
    lost,
  )
}

/** The story of the demo, on the screen: two upgrades of a system under load. */
import type { DemoResult, EmbeddedDemo } from './embedded.js'
import { pause } from './load.js'
import type { Screen } from './screen.js'

const redrawMs = 50

export async function playDemo(demo: EmbeddedDemo, screen: Screen | undefined): Promise<DemoResult> {
  let title = 'Five nodes of "pages" at version 0, one client under load.'
  const show = () => screen?.show({ title, ...viewOf(demo) })
  const redraw = setInterval(show, redrawMs)
  try {
    await pause(1500)
    title = 'Version 1 published: readers can comment on a page. A client written for it calls at once; future-SOs answer it.'
    await demo.comments()
    await demo.reached(1)
    await pause(1000)
    title = 'Version 2 published: comments can be liked. They are records now; a past-SO still gives version 1 its plain texts.'
    await demo.likes()
    await demo.reached(2)
    await pause(1000)
    title = 'All nodes run version 2. Clients of versions 0 and 1 never noticed.'
    const account = await demo.account(2)
    show()
    return account
  } finally {
    clearInterval(redraw)
  }
}

function viewOf({ nodes, clients, trail }: EmbeddedDemo) {
  return {
    nodes: nodes.map((node) => ({
      id: node.id,
      className: node.className,
      version: node.version,
      phase: trail.phase(node.id),
      answers: node.chain.map(({ version, role }) => `v${version} ${role}`).join(' · '),
      pause: trail.pause(node.id),
    })),
    clients: clients.map(({ title, client: { tally } }) => ({ name: title, ...tally })),
  }
}

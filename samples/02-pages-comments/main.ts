import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createHost, isFault, type NodeHandle, type RunningHost } from 'theseus-actors'
import { buildUpgrade } from 'theseus-actors/build'
import { PagesV1 } from './pages.v1.js'
import { PagesV2 } from './pages.v2.js'

const directory = await mkdtemp(join(tmpdir(), 'theseus-pages-'))
/** The upgrade is scheduled `gradually`: the node flips a coin now and then. Here the coin is in our hand. */
const coin = { heads: false, next: () => (coin.heads ? 0 : 0.9) }
const host = await createHost({ system: 'pages', directory, random: coin })
try {
  await play(host)
} finally {
  await host.stop()
  await rm(directory, { recursive: true })
}

async function play(host: RunningHost): Promise<void> {
  const node = await host.node(PagesV1, 'p1')
  console.log(`Version 0. Node p1 runs ${node.className}.`)
  const v0 = host.ref(PagesV1, 'p1')
  await tell("v0.put('/ship', 'Thirty oars')", v0.put('/ship', 'Thirty oars'))

  const phases: string[] = []
  host.observe((event) => event.type === 'phase' && phases.push(event.phase))
  await host.publish(await buildUpgrade(new URL('upgrades/1-comments.js', import.meta.url)))
  console.log('\nVersion 1 is published: readers can comment on a page. The coin shows tails.')
  const v1 = host.ref(PagesV2, 'p1')
  await tell("v1.get('/ship')", v1.get('/ship'))
  await tell("v1.comment('/ship', 'Is it still the same?')", v1.comment('/ship', 'Is it still the same?'))
  await tell("v1.comments('/ship')", v1.comments('/ship'))
  await tell("v1.put('/ship', 'Thirty new oars')", v1.put('/ship', 'Thirty new oars'))
  await tell("v0.get('/ship')", v0.get('/ship'))
  await tell("'comments' called at version 0", commentsAtVersion0(host))
  console.log(`Node p1 still runs ${node.className}. ${answers(node)}`)

  coin.heads = true
  console.log('\nThe coin shows heads, and the node upgrades.')
  await node.reached(1)
  console.log(`Its phases were ${phases.join(', ')}.`)
  console.log(`Node p1 runs ${node.className}. ${answers(node)}`)
  await tell("v1.comments('/ship')", v1.comments('/ship'))
  await tell("v0.get('/ship')", v0.get('/ship'))
  await tell("v0.put('/ship', 'A new mast, too')", v0.put('/ship', 'A new mast, too'))
  await tell("v1.get('/ship')", v1.get('/ship'))
  await tell("'comments' called at version 0", commentsAtVersion0(host))
}

/**
 * A client of version 0 has no such method in its class; we ask past the types, as a stranger
 * on the wire could.
 */
function commentsAtVersion0(host: RunningHost): Promise<unknown> {
  return host.operator.call({ node: 'p1' }, 'comments', ['/ship'], { version: 0, kind: 'query' })
}

async function tell(call: string, outcome: Promise<unknown>): Promise<void> {
  const told = await outcome.then(
    (value) => String(value ?? 'done'),
    (error) => (isFault(error) ? error.code : Promise.reject(error)),
  )
  console.log(`  ${call.padEnd(49)} ${told}`)
}

function answers(node: NodeHandle): string {
  return `Answered by: ${node.chain.map(({ version, role }) => `version ${version} ${role}`).join(', ')}.`
}

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createHost, isFault, type RunningHost } from 'theseus-actors'
import { buildUpgrade } from 'theseus-actors/build'
import { Archive } from './archive.js'
import { Cache } from './cache.js'

const directory = await mkdtemp(join(tmpdir(), 'theseus-archive-'))
const host = await createHost({ system: 'set', directory })
try {
  await play(host)
} finally {
  await host.stop()
  await rm(directory, { recursive: true })
}

async function play(host: RunningHost): Promise<void> {
  const node = await host.node(Archive, 's1')
  const archive = host.ref(Archive, 's1')
  console.log(`Version 0. Node s1 runs ${node.className}, a set that can only grow.`)
  await tell("archive.add('mast')", archive.add('mast'))
  await tell("archive.add('keel')", archive.add('keel'))
  await tell("archive.has('mast')", archive.has('mast'))
  await tell("archive.has('rudder')", archive.has('rudder'))

  await host.publish(await buildUpgrade(new URL('upgrades/1-cache.js', import.meta.url)))
  const cache = host.ref(Cache, 's1')
  console.log('\nVersion 1 is published: a set that can grow and shrink. Node s1 waits until it is full.')
  await tell("cache.has('mast')", cache.has('mast'))
  await tell("cache.add('sail')", cache.add('sail'))
  await tell("archive.has('sail')", archive.has('sail'))
  await tell("cache.remove('mast')", cache.remove('mast'))
  await tell("archive.has('mast')", archive.has('mast'))
  console.log(`Node s1 still runs ${node.className}.`)

  console.log('\nThe fourth item arrives.')
  await tell("archive.add('oars')", archive.add('oars'))
  await node.reached(1)
  console.log(`Node s1 runs ${node.className}.`)
  for (const item of ['mast', 'keel', 'sail', 'oars']) await tell(`cache.has('${item}')`, cache.has(item))
  await tell("cache.remove('mast')", cache.remove('mast'))
  await tell("cache.has('mast')", cache.has('mast'))

  console.log('\nThe client of version 0 goes on.')
  await tell("archive.has('keel')", archive.has('keel'))
  await tell("archive.has('mast')", archive.has('mast'))
  await tell("archive.has('rudder')", archive.has('rudder'))
  await tell("archive.add('mast')", archive.add('mast'))
  await tell("archive.has('mast')", archive.has('mast'))
  await tell("cache.has('mast')", cache.has('mast'))
}

async function tell(call: string, outcome: Promise<unknown>): Promise<void> {
  const told = await outcome.then(
    (value) => String(value ?? 'done'),
    (error) => (isFault(error) ? error.code : Promise.reject(error)),
  )
  console.log(`  ${call.padEnd(22)} ${told}`)
}

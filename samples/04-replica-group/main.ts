import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createHost, type RunningHost } from 'theseus-actors'
import { buildUpgrade } from 'theseus-actors/build'
import { ReplicaV1, ReplicaV2 } from './replica.js'

const directory = await mkdtemp(join(tmpdir(), 'theseus-replicas-'))
/** A host that does not renew its lease for half a second is taken for dead. */
const startHost = (name: string) =>
  createHost({ system: 'replicas', hostId: name, directory: join(directory, name), settings: { leaseMs: 500 } })

const host = await startHost('h1')
let other = await startHost('h2')
try {
  await play()
} finally {
  await other.stop()
  await host.stop()
  await rm(directory, { recursive: true })
}

async function play(): Promise<void> {
  const nodes = []
  for (const id of ['r1', 'r2', 'r4']) nodes.push(await host.node(ReplicaV1, id))
  await other.node(ReplicaV1, 'r3')
  console.log('Four replicas at version 0; r3 is on a host of its own.')
  await host.ref(ReplicaV1, 'r1').put('ship', 'Thirty oars')
  await other.stop()
  await untilDead(host, 'r3')
  console.log('That host dies. The group goes on without it:')
  await host.ref(ReplicaV1, 'r4').put('crew', 'Fourteen')
  console.log(`  r2 has ${await inventory(host, 'r2')}`)

  const order: string[] = []
  host.observe((event) => event.type === 'flipped' && order.push(event.nodeId))
  console.log(
    '\nVersion 1 is published, one replica at a time. Its transform discards the state: each recovers it from another replica.',
  )
  await host.publish(await buildUpgrade(new URL('upgrades/1-sizes.js', import.meta.url)))
  await Promise.all(nodes.map((node) => node.reached(1)))
  console.log(`  They upgraded in the order ${order.join(', ')}. The dead one blocked nobody.`)
  for (const id of order) console.log(`  ${id} has ${await inventory(host, id)}`)

  console.log('\nThe host of r3 comes back.')
  other = await startHost('h2')
  const last = await other.node(ReplicaV1, 'r3')
  console.log(`  r3 starts with what it had, at version ${last.version}: ${await inventory(host, 'r3')}`)
  await last.reached(1)
  console.log(`  r3 upgrades, and recovers what it missed: ${await inventory(host, 'r3')}`)
}

/** The entries of a replica, asked at version 1 if there is one. */
async function inventory(host: RunningHost, replica: string): Promise<string> {
  const entries = await host
    .ref(ReplicaV2, replica, { version: 1 })
    .entries()
    .catch(() => host.ref(ReplicaV1, replica).entries())
  return Object.entries(entries)
    .map(([key, entry]) => (typeof entry === 'string' ? `${key}: ${entry}` : `${key}: ${entry.value} (${entry.bytes} bytes)`))
    .join(', ')
}

async function untilDead(host: RunningHost, node: string): Promise<void> {
  const isAlive = async () => (await host.operator.database.nodes('replica')).some((row) => row.nodeId === node && row.alive)
  while (await isAlive()) await new Promise((resolve) => setTimeout(resolve, 50))
}

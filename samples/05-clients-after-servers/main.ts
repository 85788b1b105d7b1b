import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createHost, type NodeHandle, type RunningHost } from 'theseus-actors'
import { buildUpgrade } from 'theseus-actors/build'
import { PilotV1, stations } from './pilot.js'
import { StationV1, StationV2 } from './station.js'

const directory = await mkdtemp(join(tmpdir(), 'theseus-clients-'))
/** Each harbour is a host with a coin of its own, which is in our hand: stations upgrade `gradually`. */
const coins = { s1: newCoin(), s2: newCoin(), s3: newCoin() }
const harbours: RunningHost[] = []
for (const id of stations) harbours.push(await startHost(id, { random: coins[id] }))
const sea = await startHost('sea')
try {
  await play()
} finally {
  for (const host of [sea, ...harbours]) await host.stop()
  await rm(directory, { recursive: true })
}

async function play(): Promise<void> {
  const servers = await Promise.all(stations.map((id, i) => harbours[i]!.node(StationV1, id)))
  const pilots = await Promise.all(['p1', 'p2'].map((id) => sea.node(PilotV1, id)))
  console.log('Version 0: three stations, and two pilots that look at them now and then.')
  await sea.ref(StationV1, 's2').announce('fog')
  await tellPilots(pilots)

  const order: string[] = []
  for (const host of [sea, ...harbours]) host.observe((event) => event.type === 'flipped' && order.push(event.className))
  await sea.publish(await buildUpgrade(new URL('upgrades/1-tomorrow.js', import.meta.url)))
  coins.s1.heads = true
  await servers[0]!.reached(1)
  await until(() => [...servers.slice(1), ...pilots].every(({ phase }) => phase === 'scheduled'))
  console.log('\nVersion 1 is published: a forecast is asked for by day. Only station s1 has upgraded; the pilots wait.')
  for (const server of servers) console.log(`  ${server.id} runs ${server.className}. ${answers(server)}`)
  await sea.ref(StationV1, 's1').announce('storm')
  for (const id of stations) await sea.ref(StationV2, id).announce('tomorrow', 'sun')
  console.log('  s1 announces a storm at version 0. All announce sun for tomorrow at version 1.')
  await tellPilots(pilots)

  coins.s2.heads = coins.s3.heads = true
  await Promise.all([...servers, ...pilots].map((node) => node.reached(1)))
  console.log(`\nThe others upgrade, then the pilots. The order was ${order.join(', ')}.`)
  await tellPilots(pilots)
}

/** The next readings of each pilot: the first look to end may have begun before. */
async function tellPilots(pilots: readonly NodeHandle[]): Promise<void> {
  for (const pilot of pilots) {
    const log = () => sea.ref(PilotV1, pilot.id).log()
    const { looks } = await log()
    await until(async () => (await log()).looks >= looks + 2)
    console.log(`  ${pilot.id} runs ${pilot.className} and calls at version ${pilot.version}. It reads: ${(await log()).text}`)
  }
}

function answers(node: NodeHandle): string {
  return `Answered by: ${node.chain.map(({ version, role }) => `version ${version} ${role}`).join(', ')}.`
}

function newCoin() {
  const coin = { heads: false, next: () => (coin.heads ? 0 : 0.9) }
  return coin
}

function startHost(hostId: string, options: object = {}): Promise<RunningHost> {
  return createHost({ system: 'harbours', hostId, directory: join(directory, hostId), ...options })
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 10))
}

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createHost, type NodeHandle, type Phase, type RunningHost } from 'theseus-actors'
import { buildUpgrade } from 'theseus-actors/build'
import { neighbours, sensorAt, sensors, side } from './field.js'
import { SensorV1, SensorV2 } from './sensor.js'

const away: ReadonlySet<Phase> = new Set<Phase>(['draining', 'transforming', 'checking', 'flipping', 'recovering'])
const isTerminal = process.stdout.isTTY === true

const directory = await mkdtemp(join(tmpdir(), 'theseus-field-'))
const host = await createHost({ system: 'field', directory })
try {
  await play(host)
} finally {
  await host.stop()
  await rm(directory, { recursive: true })
}

async function play(host: RunningHost): Promise<void> {
  const nodes = new Map<string, NodeHandle>()
  for (const sensor of sensors) nodes.set(sensor, await host.node(SensorV1, sensor))
  console.log(`${sensors.length} sensors in a field, all at version 0:\n`)
  console.log(picture(nodes))

  let blindSpots = 0
  let mostAway = 0
  let drawn = 0
  const isServing = (sensor: string) => !away.has(nodes.get(sensor)!.phase)
  host.observe((event) => {
    if (event.type !== 'phase') return
    mostAway = Math.max(mostAway, sensors.filter((sensor) => !isServing(sensor)).length)
    for (const place of sensors) if ([place, ...neighbours(place)].filter(isServing).length < 2) blindSpots++
    if (!isTerminal) return
    if (drawn++ > 0) process.stdout.write(`\u001b[${side + 1}A`)
    console.log(`\n${picture(nodes)}`)
  })
  console.log(
    '\nVersion 1 is published: they measure in kelvin. Each goes when a coin says so, and two others watch each of its places.',
  )
  await host.publish(await buildUpgrade(new URL('upgrades/1-kelvin.js', import.meta.url)))
  await host.ref(SensorV1, 's00').measured(25)
  await Promise.all([...nodes.values()].map((node) => node.reached(1)))

  if (!isTerminal) console.log(`\n${picture(nodes)}`)
  console.log(
    `\nAll are at version 1. Blind spots at any moment: ${blindSpots}. Several were away at a time: ${mostAway > 1 ? 'yes' : 'no'}.`,
  )
  console.log(`Sensor s00 measured 25 °C while they upgraded: ${await host.ref(SensorV2, 's00').kelvin()} K now.`)
}

/** `·` version 0, `o` away for its upgrade, `#` version 1. */
function picture(nodes: ReadonlyMap<string, NodeHandle>): string {
  const cell = (node: NodeHandle) => (away.has(node.phase) ? 'o' : node.version === 0 ? '·' : '#')
  const row = (y: number) => Array.from({ length: side }, (_, x) => cell(nodes.get(sensorAt(x, y))!)).join(' ')
  return Array.from({ length: side }, (_, y) => `  ${row(y)}`).join('\n')
}

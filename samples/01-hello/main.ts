import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createHost } from 'theseus-actors'
import { GreeterV1 } from './greeter.v1.js'

const directory = await mkdtemp(join(tmpdir(), 'theseus-hello-'))

async function day(title: string, guests: readonly string[]): Promise<void> {
  console.log(title)
  const host = await createHost({ system: 'hello', directory })
  await host.node(GreeterV1, 'door')
  const door = host.ref(GreeterV1, 'door')
  for (const guest of guests) console.log(`  ${await door.greet(guest)}`)
  const { ever, today } = await door.visits()
  console.log(`  The host stops. Visitors today: ${today}, ever: ${ever}.`)
  await host.stop()
}

await day('On the first day a host starts, and the node "door" is born.', ['Ariadne', 'Aegeus'])
await day('On the second day another host starts with the same directory.', ['Plutarch'])
await rm(directory, { recursive: true })

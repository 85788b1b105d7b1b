/** NATS service discovery, asked for by the nats package's own client, as `nats micro ls` does. */
import 'reflect-metadata'
import { readFileSync } from 'node:fs'
import test from 'ava'
import { connect, type ServiceInfo, type ServiceStats } from 'nats'
import { createHost, startUpgradeServer } from 'theseus-actors'
import { memoryStore } from 'theseus-actors/memory'
import { nats, probeNats } from 'theseus-actors/nats'
import { softwareVersion } from '../../core/base/softwareVersion.js'
import type { HostStatus } from '../../core/inspection/hostStatus.js'
import { answerDiscovery } from '../../telemetry/discovery.js'
import { memoryDatabase } from '../../transports/memory/index.js'
import { NotesV1 } from '../actors/notesClasses.js'
import { startNatsServer } from '../support/servers.js'
import { codeOf } from '../support/testSystem.js'

/** On a busy machine no query is asked twice: calls are counted here. */
const settings = { queryResendMs: 60_000, callDeadlineMs: 30_000 }

async function all<T>(answers: Promise<AsyncIterable<T>>): Promise<T[]> {
  const found: T[] = []
  for await (const answer of await answers) found.push(answer)
  return found
}

test('nats micro finds the hosts of a system, what they serve, and how much', async (t) => {
  const server = await startNatsServer()
  const ways = { transport: nats(server.url), udb: memoryDatabase() }
  const system = 'shop'
  const upgrades = await startUpgradeServer({ ...ways, system })
  const host = (hostId: string, of = system, discovery = true) =>
    createHost({
      ...ways,
      system: of,
      hostId,
      state: memoryStore(),
      bundles: `.theseus/unused-${process.pid}`,
      settings,
      discovery,
    })
  const hosts = await Promise.all([host('h1'), host('h2'), host('other', 'elsewhere'), host('hidden', system, false)])
  const connection = await connect({ servers: server.url })
  t.teardown(async () => {
    await connection.close()
    await Promise.all(hosts.map((each) => each.stop()))
    await upgrades.stop()
    await server.stop()
  })
  const [h1] = hosts
  await h1!.node(NotesV1, 'n1')
  await h1!.node(NotesV1, 'n2')
  const ref = h1!.ref(NotesV1, 'n1', { version: 0 })
  await ref.add('a')
  await ref.all()
  await codeOf(h1!.operator.call({ node: 'n1' }, 'sing', [], { version: 0 }))

  const client = connection.services.client({ strategy: 'timer' as never, maxWait: 500 })
  const idsOf = (found: readonly { readonly name: string; readonly id: string }[]) =>
    found.map(({ name, id }) => `${name} ${id}`).sort()
  t.deepEqual(idsOf(await all(client.ping())), ['theseus-elsewhere other', 'theseus-shop h1', 'theseus-shop h2'])
  t.deepEqual(idsOf(await all(client.ping('theseus-shop'))), ['theseus-shop h1', 'theseus-shop h2'])
  t.deepEqual(idsOf(await all(client.ping('theseus-shop', 'h2'))), ['theseus-shop h2'])

  const [info] = (await all(client.info('theseus-shop', 'h1'))) as [ServiceInfo]
  t.like(info, { type: 'io.nats.micro.v1.info_response', name: 'theseus-shop', id: 'h1' })
  t.regex(info.version, /^\d+\.\d+\.\d+/)
  t.deepEqual(info.endpoints, [
    {
      name: 'notes',
      subject: 'theseus.shop.service.notes',
      queue_group: 'serving',
      metadata: { nodes: '2', versions: '0' },
    },
  ])
  const [stats] = (await all(client.stats('theseus-shop', 'h1'))) as [ServiceStats]
  t.is(stats.type as string, 'io.nats.micro.v1.stats_response')
  t.false(Number.isNaN(Date.parse(stats.started)))
  t.like(stats.endpoints![0]!, { name: 'notes', num_requests: 3, num_errors: 1 })

  await h1!.stop()
  t.deepEqual(idsOf(await all(client.ping('theseus-shop'))), ['theseus-shop h2'])
})

test('the version that a host tells is the package’s', (t) => {
  const page = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')
  t.is(softwareVersion, JSON.parse(page).version)
})

test('a host tells on which subjects NATS does not let it listen, the first of them, and the probe of doctor reads it', async (t) => {
  const server = await startNatsServer()
  const transport = await nats(server.url).connect()
  t.teardown(async () => {
    await transport.close()
    await server.stop()
  })
  let refused: readonly string[] = []
  const status = (): HostStatus => ({
    ...{ hostId: 'h1', system: 'shop', isStopped: false, transport: transport.status, newestVersion: 0, openCalls: 0 },
    ...{ refused, starting: [], nodes: [] },
  })
  const end = answerDiscovery({ transport, status, startedMs: 0 })
  await transport.flush()
  const told = async () => (await probeNats({ servers: server.url }, 'shop')).hosts
  t.deepEqual(await told(), [{ hostId: 'h1', software: softwareVersion, refused: [] }])
  refused = Array.from({ length: 100 }, (_, i) => `theseus.shop.node.n${i}`)
  t.deepEqual(await told(), [{ hostId: 'h1', software: softwareVersion, refused: refused.slice(0, 16) }])
  await end()
})

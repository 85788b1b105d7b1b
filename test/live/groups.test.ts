/** A group in a process that is killed by SIGKILL, over LMDB: both members have flipped, or none has. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { createHost, startUpgradeServer } from 'theseus-actors'
import { buildUpgrade } from 'theseus-actors/build'
import { lmdb } from 'theseus-actors/lmdb'
import { memoryStore } from 'theseus-actors/memory'
import { nats } from 'theseus-actors/nats'
import { redis } from 'theseus-actors/redis'
import { checkRecord, keys } from '../../core/model/nodeRecord.js'
import { unpack } from '../../core/wire/codec.js'
import { PagesV1 } from '../../samples/02-pages-comments/pages.v1.js'
import { until } from '../support/eventually.js'
import { startNatsServer, startRedisServer } from '../support/servers.js'
import type { HostOrder, KillPoint } from './hostProcess.js'
import { VisitsV1 } from './visits.js'

const entry = fileURLToPath(new URL('./hostProcess.js', import.meta.url))
const upgrade = new URL('../../samples/02-pages-comments/upgrades/1-comments.js', import.meta.url)
const members = ['g_pages', 'g_visits']

const points: readonly (readonly [KillPoint['at'], number])[] = [
  ['draining', 0],
  ['flipping', 0],
  ['flipped', 1],
  ['recovering', 1],
]

for (const [at, version] of points) {
  test.serial(`a group whose host is killed by SIGKILL, ${at}, is at version ${version} on disk, and arrives`, async (t) => {
    const servers = { nats: await startNatsServer(), redis: await startRedisServer() }
    const directory = await mkdtemp(join(tmpdir(), 'theseus-groups-'))
    const ways = { system: `groups-${at}`, transport: nats(servers.nats.url), udb: redis(servers.redis.url) }
    const server = await startUpgradeServer(ways)
    const desk = await createHost({ ...ways, hostId: 'desk', state: memoryStore(), bundles: join(directory, 'desk') })
    const children = new Set<ChildProcess>()
    t.teardown(async () => {
      for (const child of children) child.kill('SIGKILL')
      await desk.stop()
      await server.stop()
      await servers.nats.stop()
      await servers.redis.stop()
      await rm(directory, { recursive: true, force: true })
    })
    const start = async (kill?: KillPoint) => {
      const order: HostOrder = {
        ...{ system: ways.system, hostId: 'h1', directory: join(directory, 'h1'), nodes: [], groups: ['g'] },
        ...{ natsUrl: servers.nats.url, redisUrl: servers.redis.url },
        ...(kill === undefined ? {} : { kill }),
      }
      const env = { ...process.env, HOST_ORDER: JSON.stringify(order) }
      const child = fork(entry, { env, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
      children.add(child)
      const ended = once(child, 'exit')
      await once(child, 'message')
      return { ended }
    }
    const visits = desk.ref(VisitsV1, 'g_visits', { deadline: '10s' })
    const { ended } = await start({ at, version: 1 })
    await desk.ref(PagesV1, 'g_pages', { version: 0 }).put('/home', 'text')
    t.deepEqual(await visits.visit('/home'), ['text', 1])
    t.is(await desk.publish(await buildUpgrade(upgrade)), 1)
    t.deepEqual(await ended, [null, 'SIGKILL'])

    t.deepEqual(await versionsOnDisk(join(directory, 'h1', 'state')), [version, version])
    await start()
    await until(async () => {
      const rows = (await desk.operator.database.nodes()).filter(({ nodeId }) => members.includes(nodeId))
      return rows.length === 2 && rows.every((row) => row.version === 1 && row.phase === 'current')
    }, 'the group at version 1')
    t.deepEqual(await visits.visit('/home'), ['text', 2])
  })
}

async function versionsOnDisk(directory: string): Promise<readonly number[]> {
  const store = await lmdb(directory).open()
  try {
    return members.map((id) => checkRecord(unpack(store.get(keys.record(id))!)).generation.version)
  } finally {
    await store.close()
  }
}

/** `natsctl call` that is interrupted: whoever asked must know what may have happened. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'ava'
import { command, createHost, NodeObject, query, startUpgradeServer } from 'theseus-actors'
import { memoryStore } from 'theseus-actors/memory'
import { nats } from 'theseus-actors/nats'
import { redis } from 'theseus-actors/redis'
import { until } from '../support/eventually.js'
import { startNatsServer, startRedisServer } from '../support/servers.js'
import { gate } from '../support/testSystem.js'
import { NatsctlProcess } from './natsctlProcess.js'

let env: Readonly<Record<string, string>>
const ends: (() => unknown)[] = []
const running: string[] = []
const held = gate()

class Furnace extends NodeObject<object> {
  static override readonly className = 'Furnace.v1'
  static override initial() {
    return {}
  }

  @command async light(by: string): Promise<void> {
    running.push(by)
    await held.pass()
  }

  @query async look(by: string): Promise<string> {
    running.push(by)
    await held.pass()
    return 'dark'
  }
}

test.before(async () => {
  const [natsServer, redisServer] = await Promise.all([startNatsServer(), startRedisServer()])
  ends.unshift(
    () => natsServer.stop(),
    () => redisServer.stop(),
  )
  env = { NATS_URL: natsServer.url, THESEUS_REDIS: redisServer.url, THESEUS_SYSTEM: 'calls' }
  const ways = { system: 'calls', transport: nats(natsServer.url), udb: redis(redisServer.url) }
  const server = await startUpgradeServer(ways)
  ends.unshift(() => server.stop())
  const bundles = mkdtempSync(join(tmpdir(), 'natsctl-'))
  const host = await createHost({ ...ways, hostId: 'h1', state: memoryStore(), bundles })
  ends.unshift(
    () => host.stop(),
    () => rmSync(bundles, { recursive: true }),
  )
  for (const nodeId of ['f1', 'f2']) await host.node(Furnace, nodeId)
})

test.after.always(async () => {
  held.open()
  for (const end of ends) await end()
})

for (const [what, args, said] of [
  ['a command', ['f1', 'light', 'a command'], 'interrupted: f1.light was sent, and may be carried out or have been\n'],
  ['a query', ['f2', 'look', 'a query', '--query'], 'interrupted\n'],
] as const) {
  test(`Ctrl-C during ${what} ends it with 130, and tells ${said.trim()}`, async (t) => {
    const call = new NatsctlProcess(t, ['call', ...args, '--deadline', '60s'], { env })
    await until(() => running.includes(what), 'the method runs')
    call.child.kill('SIGINT')
    const { code, stdout, stderr } = await call.ended
    t.deepEqual([code, stdout, stderr], [130, '', said])
  })
}

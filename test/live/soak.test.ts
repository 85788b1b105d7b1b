/**
 * A soak of bounded length: nats-server, redis-server, an upgrade server and hosts are killed and restarted at random while two upgrades roll out under
 * load. Nothing acknowledged is lost, nobody is told anything wrong, and all comes to rest when the troubles end.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { seededRandom } from '../../transports/seededRandom.js'
import { until } from '../support/eventually.js'
import { startNatsServer, startRedisServer, type TestServer } from '../support/servers.js'
import { type HostName, LiveSystem } from './liveSystem.js'

const soakMs = 40_000
const hosts: readonly HostName[] = ['h1', 'h2', 'h3']
const entry = fileURLToPath(new URL('./serverProcess.js', import.meta.url))

/** Starts what may not come up while something else is down, until it does. */
async function persistently(start: () => Promise<unknown>): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      await start()
      return
    } catch (error) {
      if (tries >= 40) throw error
      await pause(250)
    }
  }
}

class UpgradeServerProcess {
  #child: ChildProcess | undefined

  constructor(private readonly order: Record<'system' | 'natsUrl' | 'redisUrl', string>) {}

  start(): Promise<void> {
    const child = fork(entry, {
      env: { ...process.env, SERVER_ORDER: JSON.stringify(this.order) },
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    })
    this.#child = child
    return new Promise((resolve, reject) => {
      child.once('message', () => resolve())
      child.once('exit', (code) => reject(new Error(`the upgrade server ended with ${code}`)))
    })
  }

  kill(): void {
    this.#child?.kill('SIGKILL')
  }
}

test('a soak: servers and hosts are killed at random while two upgrades roll out; nothing acknowledged is lost, nothing wrong is told', async (t) => {
  t.timeout(240_000)
  const seed = Number(process.env.SOAK_SEED ?? 20_261_122)
  const random = seededRandom(seed)
  const upTo = (n: number) => Math.floor(random.next() * n)
  t.log(`SOAK_SEED=${seed}`)
  const natsServer = await startNatsServer()
  // The history must outlive a kill: an upgrade server told somebody that it is installed.
  const redisServer = await startRedisServer({ appendonly: true, args: ['--appendfsync', 'always'] })
  t.teardown(() => Promise.all([natsServer.stop(), redisServer.stop()]))
  const live = await LiveSystem.start({ nats: natsServer, redis: redisServer }, { upgradeServer: false })
  t.teardown(() => live.stop())
  const server = new UpgradeServerProcess({ system: live.system, natsUrl: natsServer.url, redisUrl: redisServer.url })
  t.teardown(() => server.kill())
  await server.start()
  for (const host of hosts) await live.startHost(host)
  await live.startClient(0)

  const restart = async (it: TestServer) => {
    it.kill()
    await pause(100 + upTo(600))
    await it.restart()
  }
  const troubles: Readonly<Record<string, () => Promise<void>>> = {
    'nats-server': () => restart(natsServer),
    'redis-server': () => restart(redisServer),
    'the upgrade server': async () => {
      server.kill()
      await pause(100 + upTo(600))
      await persistently(() => server.start())
    },
    'a host': async () => {
      const host = hosts[upTo(hosts.length)]!
      await live.killHost(host)
      await pause(100 + upTo(600))
      await persistently(() => live.startHost(host))
    },
  }
  const names = Object.keys(troubles)
  const told: string[] = []
  const endsAt = performance.now() + soakMs
  let published = 0
  while (performance.now() < endsAt) {
    const name = names[upTo(names.length)]!
    told.push(name)
    await troubles[name]!()
    await pause(upTo(1_500))
    if (published < 2 && told.length % 4 === 0) {
      const version = (published + 1) as 1 | 2
      await persistently(() => live.publish(version))
      published++
      await live.startClient(version)
    }
  }
  t.log(`killed: ${told.join(', ')}`)
  while (published < 2) await live.publish(++published as 1 | 2)

  // The operator sees that the rollouts paused themselves, and why; the troubles are over.
  const { operator } = live.desk
  await until(
    async () => {
      for (const version of [1, 2]) if (await operator.resume(version)) await operator.retry(version)
      return (await live.rows()).every((row) => row.version === 2 && row.phase === 'current')
    },
    'all nodes at version 2',
    90_000,
  )
  const { tallies, lost } = await live.verdict(2)
  t.deepEqual(lost, [])
  t.true(told.length >= 8, `${told.length} troubles`)
  for (const tally of tallies) t.deepEqual(tally.contradictions, [])
  t.true(tallies.reduce((sum, { calls }) => sum + calls, 0) > 500)
})

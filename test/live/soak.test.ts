/**
 * A soak of bounded length: nats-server, redis-server, an upgrade server and hosts are killed and restarted
 * at random while upgrades and undos roll out under load. The oracle is that of the deterministic world: one
 * history of each register, told alike by every version; no operation twice, none half, none that was said
 * not to be executed; and all comes to rest.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import test from 'ava'
import { PlanRandom } from '../../rehearsal/world/planRandom.js'
import { storyOf } from '../../rehearsal/world/report.js'
import { seededRandom } from '../../transports/seededRandom.js'
import { startNatsServer, startRedisServer, type TestServer } from '../support/servers.js'
import { hostNames, soakPlanOf } from './soak/soakPlan.js'
import { SoakWorld } from './soak/soakWorld.js'

/** Its length: a busy machine takes its time for each, and a quick one is not done before. */
const troublesCount = Number(process.env.SOAK_TROUBLES ?? 20)
const answeredMin = 500
/** Where calls are answered too slowly the soak is as long as that, and fails. */
const troublesMax = 4 * troublesCount
const seed = Number(process.env.SOAK_SEED ?? 20_261_122)
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

test('a soak: servers and hosts are killed at random while upgrades and undos roll out; the world’s oracle finds nothing wrong', async (t) => {
  t.timeout(600_000)
  const plan = soakPlanOf(seed)
  const random = new PlanRandom(seededRandom(seed + 1))
  const natsServer = await startNatsServer()
  // The history must outlive a kill: an upgrade server told somebody that it is installed.
  const redisServer = await startRedisServer({ appendonly: true, args: ['--appendfsync', 'always'] })
  t.teardown(() => Promise.all([natsServer.stop(), redisServer.stop()]))
  const system = `soak${process.pid}`
  const server = new UpgradeServerProcess({ system, natsUrl: natsServer.url, redisUrl: redisServer.url })
  t.teardown(() => server.kill())
  await server.start()
  const world = await SoakWorld.open(system, plan, { nats: natsServer, redis: redisServer })
  t.teardown(() => world.close())
  await Promise.all(hostNames.map((name) => world.startHost(name)))
  world.load(random)

  const away = () => pause(random.between(100, 700))
  const restart = async (it: TestServer) => {
    it.kill()
    await away()
    await it.restart()
  }
  const troubles: Readonly<Record<string, () => Promise<void>>> = {
    'nats-server': () => restart(natsServer),
    'redis-server': () => restart(redisServer),
    'the upgrade server': async () => {
      server.kill()
      await away()
      await persistently(() => server.start())
    },
    'a host': async () => {
      const host = random.oneOf(hostNames)
      await world.killHost(host)
      await away()
      // Its nodes may not come up before all troubles are over.
      void world.startHost(host)
    },
  }
  const told: string[] = []
  const publications: Promise<void>[] = []
  const isLongEnough = () => told.length >= troublesCount && world.answered > answeredMin
  while (!isLongEnough() && told.length < troublesMax) {
    const name = random.oneOf(Object.keys(troubles))
    told.push(name)
    await troubles[name]!()
    await pause(random.between(0, 1_500))
    const due = Math.floor((told.length / troublesCount) * (plan.upgrades.length + 1))
    while (world.published < Math.min(due, plan.upgrades.length)) publications.push(world.publishNext())
  }
  while (world.published < plan.upgrades.length) publications.push(world.publishNext())
  await Promise.all(publications)
  await world.verdict()

  t.log(`SOAK_SEED=${seed}: ${told.length} kills (${told.join(', ')}), ${world.answered} calls answered`)
  const failure = () => [...world.violations, storyOf({ ...plan, steps: [] }), ...world.lastLines].join('\n')
  t.is(world.violations.length, 0, world.violations.length === 0 ? undefined : failure())
  t.true(world.answered > answeredMin, `${world.answered} calls answered`)
})

/** `natsctl rollout watch` at a terminal, on a running system over real servers: what is on the screen, what keys do, and what is left behind. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import anyTest, { type ExecutionContext, type TestFn } from 'ava'
import { createHost, type RunningHost, startUpgradeServer } from 'theseus'
import { memoryStore } from 'theseus/memory'
import { nats } from 'theseus/nats'
import { redis } from 'theseus/redis'
import { PagesV1 } from '../../../samples/02-pages-comments/pages.v1.js'
import { until } from '../../support/eventually.js'
import { PseudoTerminal, type TerminalOptions } from '../../support/pseudoTerminal.js'
import { startNatsServer, startRedisServer, type TestServer } from '../../support/servers.js'
import { descendants, NatsctlProcess, natsctl, newDirectory, processes, root } from '../natsctlProcess.js'

interface Context {
  readonly ways: { readonly transport: ReturnType<typeof nats>; readonly udb: ReturnType<typeof redis> }
  readonly env: Readonly<Record<string, string>>
  readonly system: string
}

const test = anyTest.serial as TestFn<Context>
const upgrade = join(root, 'samples/02-pages-comments/upgrades/1-comments.ts')
const main = join(root, 'dist/natsctl/main.js')
let natsServer: TestServer
let redisServer: TestServer
let systems = 0
let directory: string
let built: string

test.before(async () => {
  ;[natsServer, redisServer] = await Promise.all([startNatsServer(), startRedisServer()])
  directory = mkdtempSync(join(tmpdir(), 'watch-'))
  built = join(directory, '1.upgrade')
  execFileSync(process.execPath, [main, 'upgrade', 'build', upgrade, '-O', built])
})

test.after.always(async () => {
  await Promise.all([natsServer?.stop(), redisServer?.stop()])
  rmSync(directory, { recursive: true, force: true })
})

test.beforeEach((t) => {
  const system = `w${++systems}`
  t.context = {
    system,
    ways: { transport: nats(natsServer.url), udb: redis(redisServer.url) },
    env: { NATS_URL: natsServer.url, THESEUS_REDIS: redisServer.url, THESEUS_SYSTEM: system },
  }
})

async function startSystem(t: ExecutionContext<Context>, nodes: readonly string[]): Promise<RunningHost> {
  const { ways, system } = t.context
  const server = await startUpgradeServer({ system, ...ways })
  t.teardown(() => server.stop())
  const host = await createHost({ system, hostId: 'h1', ...ways, state: memoryStore(), bundles: newDirectory(t) })
  t.teardown(() => host.stop())
  for (const nodeId of nodes) await host.node(PagesV1, nodeId)
  return host
}

function watch(t: ExecutionContext<Context>, args: readonly string[] = [], options: TerminalOptions = {}): PseudoTerminal {
  return new PseudoTerminal(t, [process.execPath, main, 'rollout', 'watch', ...args], { ...options, env: t.context.env })
}

/** What is left once it has ended: the shell's own terminal, as it was. */
async function isGivenBack(t: ExecutionContext<Context>, terminal: PseudoTerminal, code: number): Promise<void> {
  await terminal.shows(/over$/)
  const { emulator } = terminal
  t.regex(emulator.text, new RegExp(`ended with ${code}\n`))
  t.regex(emulator.text, /^isig icanon echo ;?over$|icanon.*over$/m)
  t.notRegex(emulator.text, /-(isig|icanon|echo)\b/)
  t.false(emulator.isOther)
  t.true(emulator.isCursorShown)
  t.is(emulator.modes.get(7), true)
  t.not(emulator.modes.get(2004), true)
  t.not(emulator.modes.get(2026), true)
}

test('a rollout is paused, held, released, resumed and followed to its end at the keyboard, without a torn picture', async (t) => {
  const host = await startSystem(t, ['p1', 'p2', 'p3'])
  const { env, system } = t.context
  t.is((await natsctl(t, ['rollout', 'pause', '1', '--reason', 'lunch'], { env })).code, 0)
  t.is((await natsctl(t, ['upgrade', 'publish', built], { env })).code, 0)
  const terminal = watch(t)
  const first = await terminal.shows(/p3 .*scheduled/)
  t.regex(first, new RegExp(`^system ${system}, version 1: Readers can comment on a page +paused for \\d+s$`, 'm'))
  t.regex(first, /^░+ 0 of 3 nodes$/m)
  t.regex(first, /^paused for \d+s: lunch$/m)
  t.regex(first, /^pages goes by gradually\(/m)
  await terminal.shows(/p3 .*pause of version 1: lunch/)
  await terminal.shows(/^ {2}pages +3 +0 +0 +0 +0 +0 of 1$/m)

  terminal.press('\u001b[B')
  await terminal.shows(/^▸ p2/m)
  terminal.press('h')
  await terminal.shows(/^hold node p2\? y\/n$/m)
  terminal.press('x')
  terminal.press('n')
  await terminal.shows(/^nothing is changed$/m)
  terminal.press('h')
  await terminal.shows(/^hold node p2\? y\/n$/m)
  terminal.press('y')
  await terminal.shows(/^node p2 is held$/m)
  await terminal.shows(/^held p2$/m)
  terminal.press('r')
  await terminal.shows(new RegExp(`^resume version 1 of system ${system}\\? y/n$`, 'm'))
  terminal.press('y')
  await terminal.shows(/2 of 3 nodes/)
  t.is((await host.operator.database.nodes()).filter(({ version }) => version === 1).length, 2)
  terminal.press('h')
  await terminal.shows(/^release node p2\? y\/n$/m)
  terminal.press('y')
  await terminal.shows(/3 of 3 nodes/)
  await terminal.shows(/done for \d+s$/m)

  terminal.press('\r')
  const history = await terminal.shows(/fetching/)
  t.regex(history, /^p2 of pages runs Pages\.v2 at version 1$/m)
  t.regex(history, /^WHEN +LASTED +PHASE +TO +REASON$/m)
  t.regex(history, /^\d\d:\d\d:\d\d +\d+m?s +transforming +1$/m)
  terminal.press('\u001b')
  await terminal.shows(/^▸ p2/m)
  terminal.press('q')
  await isGivenBack(t, terminal, 0)
  t.regex(terminal.emulator.text, new RegExp(`^version 1 of system ${system}: 3 of 3 nodes there, done$`, 'm'))
  t.is(terminal.emulator.tears, 0)
})

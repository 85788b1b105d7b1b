/**
 * `natsctl rollout watch` at a terminal, on a running system over real servers: what is on the screen, what
 * keys do, and what is left behind.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import anyTest, { type ExecutionContext, type TestFn } from 'ava'
import { createHost, type RunningHost, startUpgradeServer } from 'theseus-actors'
import { memoryStore } from 'theseus-actors/memory'
import { redis } from 'theseus-actors/redis'
import { PagesV1 } from '../../../samples/02-pages-comments/pages.v1.js'
import { PseudoTerminal, type TerminalOptions } from '../../support/pseudoTerminal.js'
import { startRedisServer } from '../../support/servers.js'
import { descendants, natsctl, newDirectory, root } from '../natsctlProcess.js'
import { type SystemOfTest, startPages, systemsOf } from '../natsctlSystem.js'

const test = anyTest.serial as TestFn<SystemOfTest>
const upgrade = join(root, 'samples/02-pages-comments/upgrades/1-comments.ts')
const main = join(root, 'dist/natsctl/main.js')
const nextSystem = systemsOf('w')
let directory: string
let built: string

test.before(async () => {
  directory = mkdtempSync(join(tmpdir(), 'watch-'))
  built = join(directory, '1.upgrade')
  execFileSync(process.execPath, [main, 'upgrade', 'build', upgrade, '-O', built])
})

test.after.always(() => rmSync(directory, { recursive: true, force: true }))

test.beforeEach((t) => {
  const next = nextSystem()
  t.context = { ...next, env: { ...next.env, THESEUS_TRUST: 'nobody' } }
})

async function startSystem(t: ExecutionContext<SystemOfTest>, nodes: readonly string[]): Promise<RunningHost> {
  return (await startPages(t, t.context, nodes)).host
}

function watch(t: ExecutionContext<SystemOfTest>, args: readonly string[] = [], options: TerminalOptions = {}): PseudoTerminal {
  return new PseudoTerminal(t, [process.execPath, main, 'rollout', 'watch', ...args], { ...options, env: t.context.env })
}

/** The terminal once it has ended: the shell's own, as it was. */
async function isGivenBack(t: ExecutionContext<SystemOfTest>, terminal: PseudoTerminal, code: number): Promise<void> {
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

test('a rollout is paused, held, released, resumed and followed to its end at the keyboard, without a torn content', async (t) => {
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
  await terminal.shows(/p3 .*pause of version 1/)
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

/** The natsctl that runs below this terminal. */
function pidBelow({ child }: PseudoTerminal): number {
  return descendants(child.pid!).find(({ args }) => args.includes('rollout watch'))!.pid
}

const endings: readonly (readonly [string, (terminal: PseudoTerminal) => void, number])[] = [
  ['q', (terminal) => terminal.press('q'), 0],
  ['Ctrl-C', (terminal) => terminal.press('\u0003'), 0],
  ['SIGTERM', (terminal) => process.kill(pidBelow(terminal), 'SIGTERM'), 0],
  ['SIGINT', (terminal) => process.kill(pidBelow(terminal), 'SIGINT'), 0],
  ['SIGHUP', (terminal) => process.kill(pidBelow(terminal), 'SIGHUP'), 0],
]

for (const [what, end, code] of endings) {
  test(`${what} ends it, and gives the terminal back`, async (t) => {
    await startSystem(t, ['p1'])
    const terminal = watch(t)
    await terminal.shows(/^▸ p1/m)
    t.true(terminal.emulator.isOther)
    t.false(terminal.emulator.isCursorShown)
    end(terminal)
    await isGivenBack(t, terminal, code)
  })
}

test('an exception that nobody catches gives the terminal back before it is told', async (t) => {
  await startSystem(t, ['p1'])
  const thrower = "data:text/javascript,process.on('SIGUSR2', () => { throw new Error('boom') })"
  const command = [process.execPath, '--import', thrower, main, 'rollout', 'watch']
  const terminal = new PseudoTerminal(t, command, { env: t.context.env })
  await terminal.shows(/^▸ p1/m)
  process.kill(pidBelow(terminal), 'SIGUSR2')
  await isGivenBack(t, terminal, 1)
  t.regex(terminal.emulator.text, /^Error: boom$/m)
})

test('with --until-done it ends by itself, and q before that is no success', async (t) => {
  await startSystem(t, ['p1'])
  const { env } = t.context
  const done = watch(t, ['--until-done'])
  await isGivenBack(t, done, 0)
  await natsctl(t, ['node', 'hold', 'p1'], { env })
  t.is((await natsctl(t, ['upgrade', 'publish', built], { env })).code, 0)
  const quit = watch(t, ['--until-done'])
  await quit.shows(/0 of 1 node$/m)
  quit.press('q')
  await isGivenBack(t, quit, 130)
  // A pause is an end too: nothing will change by itself.
  await natsctl(t, ['rollout', 'pause'], { env })
  await isGivenBack(t, watch(t, ['--until-done']), 4)
})

test('a refusal is told on the screen, and nothing else happens', async (t) => {
  const { env, ways, system } = t.context
  const key = JSON.parse((await natsctl(t, ['key', 'new', '--print-seed', '-o', 'json'], {})).stdout) as { publicKey: string }
  const server = await startUpgradeServer({ system, ...ways, trust: [key.publicKey] })
  t.teardown(() => server.stop())
  const host = await createHost({
    system,
    hostId: 'h1',
    ...ways,
    state: memoryStore(),
    bundles: newDirectory(t),
    trust: [key.publicKey],
  })
  t.teardown(() => host.stop())
  await host.node(PagesV1, 'p1')
  const terminal = watch(t, ['--system', env.THESEUS_SYSTEM!])
  await terminal.shows(/^▸ p1/m)
  terminal.press('p')
  await terminal.shows(/^the system runs version 0: there is no rollout$/m)
  terminal.press('h')
  await terminal.shows(/^hold node p1\?/m)
  terminal.press('y')
  await terminal.shows(/^upgrade\.signature: /m)
  t.deepEqual(await host.operator.database.controls(), [])
  await server.stop()
  terminal.press('hy')
  await terminal.shows(/^unavailable\.no-responders: no upgrade server/m)
  terminal.press('q')
  await isGivenBack(t, terminal, 0)
})

test('Ctrl-Z where nobody could wake it again changes nothing', async (t) => {
  await startSystem(t, ['p1'])
  const terminal = watch(t)
  await terminal.shows(/^▸ p1/m)
  terminal.press('\u001a')
  await terminal.shows((text) => !text.includes('p1'))
  await terminal.shows(/^▸ p1/m)
  terminal.press('q')
  await isGivenBack(t, terminal, 0)
})

test('pasted text is no key', async (t) => {
  const host = await startSystem(t, ['p1'])
  const terminal = watch(t)
  await terminal.shows(/^▸ p1/m)
  terminal.press('\u001b[200~hyq\u001b[201~?')
  await terminal.shows(/^natsctl rollout watch$/m)
  t.deepEqual(await host.operator.database.controls(), [])
})

test('it follows the size of the terminal, down to a small one', async (t) => {
  await startSystem(t, ['p1', 'p2'])
  const terminal = watch(t)
  await terminal.shows(/^ {2}NODE +SERVICE +CLASS/m)
  terminal.resize(40, 12)
  const small = await terminal.shows(/^ {2}NODE +PHASE +FOR/m)
  t.regex(small, /^w\d+ v0/)
  t.regex(small, /^█+ 2 of 2$/m)
  t.regex(small, /^▸ p1/m)
  t.is(terminal.emulator.screen.length, 12)
  terminal.resize(120, 30)
  await terminal.shows(/^ {2}NODE +SERVICE +CLASS/m)
  t.is(terminal.emulator.tears, 0)
})

test('servers that are lost are told on the screen; q ends it all the same, and the terminal is given back', async (t) => {
  const own = await startRedisServer()
  t.teardown(() => own.stop())
  const { system } = t.context
  const ways = { ...t.context.ways, udb: redis(own.url) }
  const server = await startUpgradeServer({ system, ...ways })
  t.teardown(() => server.stop())
  const host = await createHost({
    system,
    hostId: 'h1',
    ...ways,
    state: memoryStore(),
    bundles: newDirectory(t),
  })
  t.teardown(() => host.stop())
  await host.node(PagesV1, 'p1')
  const terminal = watch(t, ['--redis', own.url])
  await terminal.shows(/^▸ p1/m)
  await own.stop()
  await terminal.shows(/trying again/)
  await terminal.shows(/as it was \d+s ago/)
  terminal.press('q')
  await isGivenBack(t, terminal, 0)
})

test('Ctrl-Z gives the terminal to the shell, and fg takes it again', async (t) => {
  await startSystem(t, ['p1'])
  const terminal = new PseudoTerminal(t, [], { env: t.context.env, isShell: true })
  await terminal.shows(/\$$/)
  terminal.press(`${process.execPath} ${main} rollout watch\r`)
  await terminal.shows(/^▸ p1/m)
  terminal.press('\u001a')
  await terminal.shows(/Stopped/)
  t.false(terminal.emulator.isOther)
  t.true(terminal.emulator.isCursorShown)
  terminal.press("stty -a | grep -oE -- ' -?(icanon|echo) ' | tr -d '\\n'; echo over\r")
  t.regex(await terminal.shows(/^ .*over$/m), /^ icanon +echo +over$/m)
  terminal.press('fg\r')
  await terminal.shows(/^▸ p1/m)
  t.true(terminal.emulator.isOther)
  terminal.press('?')
  await terminal.shows(/^natsctl rollout watch$/m)
  terminal.press('xq')
  await terminal.shows(/\d of 1 node there, done\n\$$/)
  t.false(terminal.emulator.isOther)
})

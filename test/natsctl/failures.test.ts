import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { startNatsServer } from '../support/servers.js'
import { natsctl, newProject, type ProcessResult, root } from './natsctlProcess.js'

/** One line on stderr, nothing on stdout. */
function isOneLine(t: ExecutionContext<any>, { stdout, stderr }: ProcessResult, line: RegExp): void {
  t.is(stdout, '')
  t.regex(stderr, line)
  t.is(stderr.indexOf('\n'), stderr.length - 1, stderr)
}

const mistakes: readonly (readonly [string, readonly string[], RegExp])[] = [
  [
    'a wrong flag gets the nearest one',
    ['node', 'ls', '--sevice', 'x'],
    /unknown option '--sevice' \(Did you mean --service\?\): "natsctl node ls --help" shows the flags$/m,
  ],
  [
    'a wrong noun gets the nearest one',
    ['rolout', 'status'],
    /unknown command 'rolout' \(Did you mean rollout\?\): "natsctl --help" shows the commands$/m,
  ],
  [
    'a wrong verb gets the nearest one',
    ['upgrade', 'publsh', 'x'],
    /unknown command 'publsh' \(Did you mean publish\?\): type "natsctl upgrade <verb>", where the verb is one of build, /,
  ],
  [
    'a verb that is like no other gets all of its noun',
    ['node', 'frobnicate'],
    /unknown command 'frobnicate': type "natsctl node <verb>", where the verb is one of ls, describe, forget, hold, /,
  ],
  ['a flag without its value gets help', ['node', 'ls', '--system'], /argument missing: "natsctl --help" shows the flags$/m],
  [
    'a missing argument is named, with the command as it is used',
    ['call', 'p1', '--system', 's'],
    /missing required argument 'method': type "natsctl call \[options\] <target> <method> \[args\.\.\.\]"$/m,
  ],
  [
    'an argument too many gets the command as it is used',
    ['node', 'describe', 'a', 'b'],
    /too many arguments for 'describe'\. Expected 1 argument but got 2: type "natsctl node describe \[options\] <id>"$/m,
  ],
  ['no system is told', ['node', 'ls'], /which system\? Give --system <name>, or set THESEUS_SYSTEM/],
  ['a wrong duration is told', ['rollout', 'status', '--timeout', 'soon'], /--timeout .* Use a number with ms, s, m or h/],
  [
    'a flag with one value that is given twice is told',
    ['new', 'upgrade', 'x', '--from', 'a.ts', '--from', 'b.ts'],
    /--from is given twice/,
  ],
  ['so is one of all commands', ['node', 'ls', '--system', 'a', '--system', 'b'], /--system is given twice/],
  ['a wrong form is told', ['node', 'ls', '-o', 'xml'], /Allowed choices are table, wide, json, yaml, name\.$/m],
  ['a wrong address is told', ['node', 'ls', '--system', 's', '--redis', 'x'], /--redis is no address of Redis/],
  ['a config that is not there is told', ['up', '--config', 'nowhere.json'], /nowhere\.json: there is no such file/],
]

for (const [title, args, line] of mistakes) {
  test(`${title}, in one line, with exit code 2`, async (t) => {
    const ended = await natsctl(t, args)
    t.is(ended.code, 2)
    isOneLine(t, ended, line)
  })
}

test('help is no mistake', async (t) => {
  const { code, stdout } = await natsctl(t, ['rollout', 'status', '--help'])
  t.is(code, 0)
  t.true(stdout.includes('--timeout'))
  t.true(stdout.includes('--system'))
})

/**
 * It gets two seconds to answer; a busy machine takes its own time to start Node.js. An answer is waited for
 * as long as `--timeout` says.
 */
const soonMs = 25_000

test.serial('NATS that is not there is told in one line, soon', async (t) => {
  const ended = await natsctl(t, ['node', 'ls', '--system', 's', '--nats', 'nats://127.0.0.1:1'])
  t.is(ended.code, 1)
  isOneLine(t, ended, /^unavailable\.disconnected: can't reach NATS at nats:\/\/127\.0\.0\.1:1/)
  t.true(ended.ms < soonMs, `${ended.ms} ms`)
})

test.serial('Redis that is not there is told in one line, soon', async (t) => {
  const nats = await startNatsServer()
  t.teardown(() => nats.stop())
  const ended = await natsctl(t, ['node', 'ls', '--system', 's', '--nats', nats.url, '--redis', 'redis://127.0.0.1:1'])
  t.is(ended.code, 1)
  isOneLine(t, ended, /^unavailable\.disconnected: can't reach Redis at 127\.0\.0\.1:1/)
  t.true(ended.ms < soonMs, `${ended.ms} ms`)
})

test.serial('a port where something else listens that never says a word is told just as soon', async (t) => {
  const silent = createServer((socket) => {
    t.teardown(() => void socket.destroy())
  })
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
  t.teardown(() => void silent.close())
  const { port } = silent.address() as { port: number }
  const ended = await natsctl(t, ['node', 'ls', '--system', 's', '--nats', `nats://127.0.0.1:${port}`])
  t.is(ended.code, 1)
  isOneLine(t, ended, /^unavailable\.disconnected/)
  t.true(ended.ms < soonMs, `${ended.ms} ms`)
})

test('an upgrade that does not compile gets the compiler’s own lines', async (t) => {
  const project = newProject(t)
  for (const file of ['pagesV1.ts', 'pagesV2.ts']) copyFileSync(join(root, 'test/fixtures/upgrades', file), join(project, file))
  copyFileSync(join(root, 'test/fixtures/broken/missingField.ts.txt'), join(project, 'missingField.ts'))
  const { code, stdout, stderr } = await natsctl(t, ['upgrade', 'build', 'missingField.ts'], { cwd: project })
  t.is(code, 1)
  t.is(stdout, '')
  t.regex(stderr, /^missingField\.ts\(\d+,\d+\): error TS2322: /)
  t.true(stderr.includes("'comments'"), stderr)
  t.false(stderr.includes('at file://'), stderr)
})

test('an upgrade file that is none is told before anything is asked for', async (t) => {
  const project = newProject(t)
  writeFileSync(join(project, '1.ts'), readFileSync(join(root, 'test/fixtures/upgrades/1-comments.ts')))
  const source = await natsctl(t, ['upgrade', 'publish', '1.ts', '--system', 's'], { cwd: project })
  t.is(source.code, 1)
  isOneLine(t, source, /^upgrade\.invalid: 1\.ts: this is no upgrade file.*build it first/)
  const missing = await natsctl(t, ['upgrade', 'publish', '1.upgrade', '--system', 's'], { cwd: project })
  t.is(missing.code, 1)
  isOneLine(t, missing, /can't read 1\.upgrade: ENOENT/)
})

test('a stack is for who asks for it', async (t) => {
  const args = ['node', 'ls', '--system', 's', '--nats', 'nats://127.0.0.1:1']
  const { stderr } = await natsctl(t, args, { env: { THESEUS_DEBUG: '1' } })
  t.regex(stderr, /^unavailable\.disconnected: .*\n(.*\n)* +at /)
})

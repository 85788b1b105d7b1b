import test from 'ava'
import { Command } from 'commander'
import { argument } from '../../natsctl/commands/call.js'
import { commandTable } from '../../natsctl/commandTable.js'
import { natsOptionsOf } from '../../natsctl/context/flags.js'
import { addGlobalFlags } from '../../natsctl/context/globalFlags.js'
import { examplesOf } from '../../natsctl/output/examples.js'
import { helpText, pathOf } from '../../natsctl/output/helpText.js'
import { byName } from '../../natsctl/output/naturalOrder.js'
import { age, oneLine, tableLines, toJson } from '../../natsctl/output/output.js'
import type { Program } from '../../natsctl/output/program.js'
import { asTyped, isByNpx } from '../../natsctl/output/typed.js'
import { cutStyled } from '../../natsctl/output/width.js'

test('the columns of a table are as wide as their widest cell, and no line ends with a space', (t) => {
  const lines = tableLines(
    ['NODE', 'PHASE', 'REASON'],
    [
      ['a-long-name', { text: 'stalled', style: 'red' }, 'why'],
      ['b', 'current', ''],
    ],
    false,
  )
  t.deepEqual(lines, ['NODE         PHASE    REASON', 'a-long-name  stalled  why', 'b            current'])
})

test('colours do not move the columns', (t) => {
  const [, line] = tableLines(['PHASE', 'NODE'], [[{ text: 'ok', style: 'green' }, 'a']], true)
  t.is(line, '\u001b[32mok\u001b[39m     a')
})

test('no control character of another machine reaches the terminal', (t) => {
  t.is(oneLine('up\u001b[2J\r\nand\u009b0m \u202eaway\u2028\n'), 'up [2J and 0m  away')
})

test('bytes are base64 in JSON, big integers decimal text, and nothing at all is null', (t) => {
  t.is(toJson({ bytes: Buffer.from('abc'), big: 2n ** 64n }), '{"bytes":"YWJj","big":"18446744073709551616"}')
  t.is(toJson(undefined), 'null')
})

test('an age is told in the two largest units that count', (t) => {
  t.deepEqual([-5, 59_999, 61_000, 3_660_000, 200_000_000].map(age), ['0s', '59s', '1m1s', '1h1m', '2d7h'])
})

test('an argument of a call is JSON where it is JSON, else text', (t) => {
  const texts = ['12', '-5', 'null', '{"a":[1]}', '"12"', '/home', '007', '']
  t.deepEqual(texts.map(argument), [12, -5, null, { a: [1] }, '12', '/home', '007', ''])
})

test('an address of NATS may name several servers and a login', (t) => {
  const { connectTimeoutMs, ...options } = natsOptionsOf('nats://me:p%40ss@one:4333, tls://two')
  t.deepEqual(options, { servers: ['nats://one:4333', 'nats://two:4222'], user: 'me', pass: 'p@ss', tls: {} })
  t.is(natsOptionsOf('nats://s3cret@one').token, 's3cret')
  t.throws(() => natsOptionsOf('http://me:secret@one'), { message: /^((?!secret).)*$/ })
})

test('each command is told by its table as by its module, and has examples that it takes', async (t) => {
  const words: string[][] = []
  const wrong: string[] = []
  for (const { name, description, load } of commandTable) {
    const command = new Command('natsctl').exitOverride().configureOutput({ writeErr: () => {} })
    addGlobalFlags(command)
    const program: Program = { command, action: () => async (): Promise<void> => {} }
    ;(await load())(program, async () => 0)
    t.is(command.commands[0]!.name(), name)
    t.is(command.commands[0]!.description(), description, name)
    const all = (of: Command): readonly Command[] => [of, ...of.commands.flatMap(all)]
    for (const each of all(command.commands[0]!)) {
      const path = pathOf(each)
      const examples = examplesOf(path)
      t.true(examples.length > 0, `${path} has an example`)
      for (const line of examples) {
        const typed = line.replace(/^source <\((.*)\)$/, '$1').replace(/ \| source$/, '')
        t.true(typed.startsWith('natsctl '), line)
        // A word in quotes is one.
        const parsed = [...typed.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)].map(([, a, b, c]) => a ?? b ?? c!)
        words.push(parsed.slice(1))
        if (parsed[1] !== name) continue
        await command
          .parseAsync(parsed.slice(1), { from: 'user' })
          .catch((error: Error) => wrong.push(`${line}: ${error.message}`))
      }
    }
  }
  t.deepEqual(wrong, [])
  t.true(words.length > 80)
})

test('help fits 80 columns: its own part comes first, then examples, then the flags of every command', (t) => {
  const program = new Command('natsctl').configureHelp({ ...helpText, helpWidth: 80 })
  addGlobalFlags(program)
  const rollout = program.command('rollout').description('how far')
  const promote = rollout
    .command('promote')
    .description('let nodes go now')
    .option('--a-flag-that-is-longer-than-others <value>', 'x '.repeat(60))
  const lines = promote.helpInformation().split('\n')
  t.true(
    lines.every((line) => line.length < 80),
    lines.join('\n'),
  )
  const at = (title: string) => lines.indexOf(title)
  t.true(at('Options:') > 0 && at('Examples:') > at('Options:') && at('Flags of every command:') > at('Examples:'))
  t.true(lines.includes('  natsctl rollout promote 10%'))
  t.true(lines.includes('  --a-flag-that-is-longer-than-others <value>'))
})

test('advice is as it has to be typed', (t) => {
  t.is(
    asTyped('end it with "natsctl rollout resume 3": natsctl needs Node.js', true),
    'end it with "npx natsctl rollout resume 3": natsctl needs Node.js',
  )
  t.is(asTyped('npx natsctl node ls', true), 'npx natsctl node ls')
  t.is(asTyped('type "natsctl <verb>"', false), 'type "natsctl <verb>"')
  t.true(isByNpx({ npm_command: 'exec', npm_lifecycle_script: "natsctl 'node' 'ls'" }))
  t.false(isByNpx({ npm_command: 'exec', npm_lifecycle_script: 'ava' }))
  t.false(isByNpx({ npm_command: 'run-script', npm_lifecycle_script: 'natsctl up' }))
})

test('names are in the order in which people look for them', (t) => {
  t.deepEqual(['l10', 'l2', 'l1', 'L2', 'k'].sort(byName((name) => name)), ['k', 'l1', 'l2', 'L2', 'l10'])
})

test('a line with colours is cut where the terminal ends, and its colours end with it', (t) => {
  const green = '\u001b[32m● current\u001b[39m'
  t.is(cutStyled(`p1 ${green}`, 12), `p1 ${green}`)
  t.is(cutStyled(`p1 ${green} more`, 8), 'p1 \u001b[32m● cu…\u001b[39m')
  t.is(cutStyled(`${green}${green}`, 10), '\u001b[32m● current\u001b[39m\u001b[32m…\u001b[39m')
})

/** `natsctl upgrade check`: what it prints, how it ends, and what it writes for code scanning. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { readUpgrades } from 'theseus-actors/build'
import { encodeRecordedCalls } from '../../natsctl/record/recordedCalls.js'
import { natsctl, root } from './natsctlProcess.js'
import { emptyRepository } from './newProject.js'

const cached = 'test/fixtures/mistakes/cachedPages.ts'
const likes = ['1-comments', '2-likes', '3-like-nothing'].map((name) => `samples/02-pages-comments/upgrades/${name}.ts`)

test.serial('a mistake ends with 3, and is told as JSON and as SARIF with the line to blame', async (t) => {
  const file = join(emptyRepository(t), 'found.sarif')
  const { code, stdout, stderr } = await natsctl(t, [
    'upgrade',
    'check',
    cached,
    '--histories',
    '60',
    '-o',
    'json',
    '--sarif',
    file,
  ])
  t.is(code, 3, stderr)
  const { holds, findings } = JSON.parse(stdout)
  t.false(holds)
  const line = 1 + (await readFile(join(root, cached), 'utf8')).split('\n').findIndex((text) => text.includes('async get('))
  t.like(findings, [
    {
      ...{ kind: 'copied state', part: 'futureSO', className: 'Pages.v2', method: 'get', line: { file: cached, line } },
      ...{ callFirst: { is: 'answer' }, flipFirst: { is: 'answer' } },
    },
  ])
  const { version, runs } = JSON.parse(await readFile(file, 'utf8'))
  t.is(version, '2.1.0')
  t.like(runs[0].results, [
    { ruleId: 'copied-state', level: 'error', locations: [{ physicalLocation: { region: { startLine: line } } }] },
  ])
  const rules = runs[0].tool.driver.rules.map(({ id }: { id: string }) => id)
  t.true(rules.includes('copied-state'))
})

test.serial('a chain without a mistake ends with 0, and what is meant is listed with its reason', async (t) => {
  const { code, stdout, stderr } = await natsctl(t, ['upgrade', 'check', ...likes, '--histories', '60', '-o', 'wide'])
  t.is(code, 0, stdout + stderr)
  t.regex(stdout, /^nothing contradicts anything in 60 histories \(seed 1\)$/m)
  t.regex(stdout, /^meant: Pages\.v4\.like \(upgrade 3\): fails for a comment that does not exist$/m)
  t.regex(stdout, /^3 +Pages\.v4 +like +\d+/m)
})

test.serial('real traffic of another system is refused, and so is a file that is no recording', async (t) => {
  const file = join(emptyRepository(t), 'recorded.calls')
  const call = { node: 'n', number: 1, at: 1, host: 'h', service: 's', version: 1, className: 'Other.v1', method: 'm' } as const
  const calls = [{ ...call, args: [], end: { is: 'untold' } }] as const
  await writeFile(file, encodeRecordedCalls({ system: 'other', takenAt: 1, masked: [], calls, lost: 0 }))
  const others = await natsctl(t, ['upgrade', 'check', cached, '--histories', '5', '--with', file])
  t.is(others.code, 2)
  t.regex(others.stderr, /no recorded call is to a class of these upgrades: they are to Other\.v1/)
  const wrong = await natsctl(t, ['upgrade', 'check', cached, '--histories', '5', '--state', file])
  t.is(wrong.code, 1)
  t.regex(wrong.stderr, /config\.invalid: this is no copy of state/)
})

test.serial('what does not compile, and what is no upgrade, ends with 1', async (t) => {
  const none = await natsctl(t, ['upgrade', 'check', 'test/fixtures/upgrades/notAnUpgrade.ts'])
  t.is(none.code, 1)
  t.regex(none.stderr, /exports no upgrade by default/)
  const missing = await natsctl(t, ['upgrade', 'check', 'nowhere.ts'])
  t.is(missing.code, 1)
  const usage = await natsctl(t, ['upgrade', 'check', cached, '--histories', '0'])
  t.is(usage.code, 2)
})

test.serial('a class that changes under its name breaks its contract, and a new one with an upgrade does not', async (t) => {
  const cwd = emptyRepository(t)
  const file = join(cwd, 'contracts.json')
  const run = (...args: readonly string[]) =>
    natsctl(t, ['upgrade', 'check', ...likes.slice(0, 1), '--histories', '5', '--baseline', file, '-o', 'json', ...args])
  t.is((await run()).code, 2)
  t.is((await run('--update-baseline')).code, 0)
  const same = await run()
  t.is(same.code, 0, same.stderr)
  t.deepEqual(JSON.parse(same.stdout).contracts, [])

  const written = JSON.parse(await readFile(file, 'utf8'))
  t.is(written.classes['Pages.v1'].methods.put, 'command [{"is":"string"},{"is":"string"}]')
  // As it was before somebody changed the class.
  written.classes['Pages.v1'].methods.put = 'command [{"is":"string"}]'
  written.upgrades['Pages.v1 → Pages.v2'].futureSO.put = 'refuses'
  delete written.classes['Pages.v2']
  await writeFile(file, JSON.stringify(written))
  const changed = await run()
  t.is(changed.code, 3)
  t.deepEqual(
    JSON.parse(changed.stdout).contracts.map(({ of, accounted }: { of: string; accounted: boolean }) => [of, accounted]),
    [
      ['Pages.v1', false],
      ['Pages.v2', true],
      ['Pages.v1 → Pages.v2', false],
    ],
  )
})

test.serial('diff shows what is meant', async (t) => {
  const { stdout } = await natsctl(t, ['upgrade', 'diff', likes[2]!])
  t.regex(stdout, /^meant: like: fails for a comment that does not exist$/m)
})

test.serial('the parameters of methods are those of their types', async (t) => {
  const { source } = await readUpgrades('test/fixtures/check/1-shapes.ts')
  const { parameters } = source
  t.deepEqual(parameters['Shapes.v1'], {
    scalars: {
      names: ['text', 'count', 'flag', 'bytes', 'day'],
      shapes: [{ is: 'string' }, { is: 'number' }, { is: 'boolean' }, { is: 'bytes' }, { is: 'date' }],
      required: 5,
    },
    unions: {
      names: ['day', 'level', 'maybe'],
      shapes: [
        {
          is: 'oneOf',
          shapes: [
            { is: 'value', value: 'today' },
            { is: 'value', value: 'tomorrow' },
          ],
        },
        {
          is: 'oneOf',
          shapes: [
            { is: 'value', value: 1 },
            { is: 'value', value: 2 },
          ],
        },
        { is: 'oneOf', shapes: [{ is: 'value', value: null }, { is: 'string' }] },
      ],
      required: 3,
    },
    structures: {
      names: ['item', 'pair', 'table', 'optional'],
      shapes: [
        {
          is: 'object',
          fields: { id: { shape: { is: 'string' } }, tags: { shape: { is: 'list', of: { is: 'string' } }, isOptional: true } },
        },
        { is: 'tuple', items: [{ is: 'string' }, { is: 'number' }] },
        { is: 'record', of: { is: 'boolean' } },
        { is: 'number' },
      ],
      required: 3,
    },
    branded: { names: ['id', 'path'], shapes: [{ is: 'string' }, { is: 'string' }], required: 2 },
    nothing: { names: [], shapes: [], required: 0 },
  })
})

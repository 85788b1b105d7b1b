import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { tsconfigText } from '../../natsctl/new/serviceFiles.js'
import { NatsctlProcess, natsctl, root } from './natsctlProcess.js'
import { emptyRepository, filesIn, nodeTest, tsc } from './newProject.js'

const samples = {
  pages: ['02-pages-comments/pages.v1.ts', '02-pages-comments/pages.v2.ts'],
  likes: ['02-pages-comments/pages.v2.ts', '02-pages-comments/pages.v3.ts'],
  set: ['03-archive-cache/archive.ts', '03-archive-cache/cache.ts'],
} as const

/** A reader's repository with classes of the samples in `src`. */
function repositoryWith(t: ExecutionContext, of: keyof typeof samples): string {
  const cwd = emptyRepository(t)
  writeFileSync(join(cwd, 'tsconfig.json'), tsconfigText('src'))
  for (const file of samples[of]) cpSync(join(root, 'samples', file), join(cwd, 'src', file.split('/')[1]!))
  return cwd
}

/** The same with classes of the guide. */
function repositoryOfGuide(t: ExecutionContext, ...names: readonly string[]): string {
  const cwd = repositoryWith(t, 'set')
  const page = readFileSync(join(root, 'docs/guide.md'), 'utf8')
  for (const name of names) {
    const [, code] = page.split(`\`\`\`ts\n// file: ${name}\n`)
    writeFileSync(join(cwd, 'src', name), code!.split('\n```')[0]!)
  }
  return cwd
}

interface Made {
  readonly files: readonly { readonly file: string }[]
  readonly decisions: readonly { readonly file: string; readonly line: number; readonly text: string }[]
  readonly next: readonly string[]
}

async function newUpgrade(t: ExecutionContext, cwd: string, title: string, ...args: readonly string[]): Promise<Made> {
  const { code, stdout, stderr } = await natsctl(t, ['new', 'upgrade', title, ...args, '-o', 'json'], { cwd })
  t.is(code, 0, stderr)
  return JSON.parse(stdout)
}

/** `file:line text` of every error that the project has; those of decisions with the text that they say. */
async function errorsIn(cwd: string): Promise<readonly string[]> {
  const { output } = await tsc(cwd, '--noEmit')
  const isError = /^(\S+)\((\d+),\d+\): error TS\d+: (.*)$/
  return output
    .split('\n')
    .map((line) => isError.exec(line))
    .filter((found) => found !== null)
    .map(([, file, line, message]) => {
      const decision = /^Type '"(.*)"' does not satisfy the expected type '"decided"'\.$/.exec(message!)?.[1]
      return `${file}:${line} ${decision ?? message}`
    })
    .sort()
}

async function isWhatIsLeft(t: ExecutionContext, cwd: string, { decisions }: Made): Promise<void> {
  t.true(decisions.length > 0)
  t.deepEqual(await errorsIn(cwd), decisions.map(({ file, line, text }) => `${file}:${line} ${text}`).sort())
}

/** Writes code in the place of decisions: the first that begins with the name, each time. */
function decide(
  t: ExecutionContext,
  cwd: string,
  file: string,
  ...pairs: readonly (readonly [name: string, code: string])[]
): void {
  let text = readFileSync(join(cwd, file), 'utf8')
  for (const [name, code] of pairs) {
    const before = text
    text = text.replace(new RegExp(`(?:throw )?'${name}: [^\\n]*' satisfies 'decided'(?: as never)?`), () => code)
    t.not(text, before, `${name} in ${file}`)
  }
  writeFileSync(join(cwd, file), text)
}

function change(cwd: string, file: string, ...pairs: readonly (readonly [from: string, to: string])[]): void {
  const path = join(cwd, file)
  writeFileSync(
    path,
    pairs.reduce((text, [from, to]) => text.replace(from, to), readFileSync(path, 'utf8')),
  )
}

/** Compiles, builds the upgrade as natsctl does, and runs its rehearsal in the runner of Node.js. */
async function isGreen(t: ExecutionContext, cwd: string, upgrade: string): Promise<void> {
  t.deepEqual(await errorsIn(cwd), [])
  const built = await natsctl(t, ['upgrade', 'build', `src/upgrades/${upgrade}.ts`, '-o', 'json'], { cwd })
  t.is(built.code, 0, built.stderr)
  const { failed, output } = await rehearsed(cwd, upgrade)
  t.false(failed, output)
}

async function rehearsed(cwd: string, upgrade: string) {
  await tsc(cwd)
  return nodeTest(cwd, `dist/upgrades/${upgrade}.test.js`)
}

/** As sample 02 decides. */
const comments = [
  ['comment', 'return (this.state.comments[url] ??= []).push(text)'],
  ['comments', 'return this.state.comments[url] ?? []'],
  ['pastSO', 'notNeeded'],
] as const

// One after the other: each runs compilers, and all at once would starve one another.

test.serial('the paper’s web server: comments are left to decide, and deciding them is enough', async (t) => {
  const cwd = repositoryWith(t, 'pages')
  const made = await newUpgrade(t, cwd, 'Readers can comment', '--from', 'src/pages.v1.ts')
  const file = 'src/upgrades/1-readers-can-comment'
  t.deepEqual(
    made.files.map(({ file }) => file),
    [`${file}.ts`, `${file}.mapping.ts`, `${file}.test.ts`],
  )
  const new1 =
    'PagesV1 has no such method; keep in this SO what is independent of PagesV1, do the rest by this.next, or list it in refuses'
  t.deepEqual(
    made.decisions.map(({ text }) => text),
    [
      `comment: ${new1}`,
      `comments: ${new1}`,
      'pastSO: PagesV2 answers every call of PagesV1; notNeeded, if PagesV2 keeps every promise of PagesV1 although it has comment; else pagesV1Still',
      'comments: only PagesV2 has it; future.comments, as pagesV2Ahead keeps it; or make it of old, and take it out of pagesV2Ahead',
    ],
  )
  await isWhatIsLeft(t, cwd, made)
  const refused = await natsctl(t, ['upgrade', 'build', `${file}.ts`], { cwd })
  t.is(refused.code, 1)
  t.regex(refused.stderr, /1-readers-can-comment\.ts\(\d+,\d+\): error TS1360: Type '"comment: PagesV1 has no such method; /)
  decide(t, cwd, `${file}.ts`, ...comments, ['comments', 'future.comments'])
  await isGreen(t, cwd, '1-readers-can-comment')
})

test.serial('the rehearsal that is written finds a decision that is wrong', async (t) => {
  const cwd = repositoryWith(t, 'pages')
  await newUpgrade(t, cwd, 'Readers can comment', '--from', 'src/pages.v1.ts')
  // The comments that were made before the upgrade are forgotten by it.
  decide(t, cwd, 'src/upgrades/1-readers-can-comment.ts', ...comments, ['comments', '{}'])
  t.deepEqual(await errorsIn(cwd), [])
  const { failed, output } = await rehearsed(cwd, '1-readers-can-comment')
  t.true(failed)
  t.regex(output, /criterion: 'K1'/)
  t.regex(output, /method: 'comments'/)
})

test.serial('the paper’s archive: removal and what an archive promises are left to decide', async (t) => {
  const cwd = repositoryWith(t, 'set')
  const made = await newUpgrade(t, cwd, 'Items can be removed', '--from', 'src/archive.ts', '--to', 'src/cache.ts#Cache')
  t.deepEqual(
    made.decisions.map(({ text }) => text),
    [
      'remove: Archive has no such method; carry it out by this.next, or list it in refuses',
      'pastSO: Cache answers every call of Archive; notNeeded, if Cache keeps every promise of Archive although it has remove; else archiveStill',
    ],
  )
  await isWhatIsLeft(t, cwd, made)
  const file = 'src/upgrades/1-items-can-be-removed.ts'
  decide(t, cwd, file, ['remove', "return this.refuse('an archive has no removals')"], ['pastSO', 'archiveStill'])
  const has = "async has(item) {\n      return (await this.next.has(item)) || this.refuse('it may have been removed')\n    },\n  "
  change(cwd, file, [
    "over: Cache,\n  delegates: ['add', 'has'],\n  methods: {}",
    `over: Cache,\n  delegates: ['add'],\n  methods: { ${has}}`,
  ])
  await isGreen(t, cwd, '1-items-can-be-removed')
})

test.serial('a method whose types have changed is left to decide on both sides, and so is a field', async (t) => {
  const cwd = repositoryWith(t, 'likes')
  const made = await newUpgrade(t, cwd, 'Likes', '--from', 'src/pages.v2.ts')
  t.deepEqual(
    made.decisions.map(({ text }) => text),
    [
      'comments: PagesV2 has it with other types; translate this.next.comments, or list it in refuses',
      'like: PagesV2 has no such method; keep in this SO what is independent of PagesV2, do the rest by this.next, or list it in refuses',
      'comments: PagesV3 has it with other types; translate this.next.comments, or list it in refuses',
      'comments: its type differs; make it of old.comments',
      'comments: its type differs; make it of now.comments',
      'comments: its type differs; make it of old.comments',
      'comments: its type differs; make it of old.comments',
    ],
  )
  await isWhatIsLeft(t, cwd, made)
})

test.serial(
  'a parameter that is added is seen when the upgrade is written, and by the compiler when it comes later',
  async (t) => {
    const why = ['put(url: string, html: string)', 'put(url: string, html: string, why: string)'] as const
    const before = repositoryWith(t, 'pages')
    change(before, 'src/pages.v2.ts', why)
    const made = await newUpgrade(t, before, 'Why', '--from', 'src/pages.v1.ts')
    const puts = made.decisions.filter(({ text }) => text.startsWith('put: '))
    t.is(puts.length, 2)
    await isWhatIsLeft(t, before, made)

    const after = repositoryWith(t, 'pages')
    await newUpgrade(t, after, 'Why', '--from', 'src/pages.v1.ts')
    change(after, 'src/pages.v2.ts', why)
    const errors = await errorsIn(after)
    t.is(errors.filter((error) => /Type '"put"' is not assignable to type '"get"'/.test(error)).length, 2)
  },
)

test.serial('a query that has become a command is not delegated, though its types are the same', async (t) => {
  const cwd = repositoryWith(t, 'pages')
  change(cwd, 'src/pages.v1.ts', ['@query get', '@command get'])
  const { decisions } = await newUpgrade(t, cwd, 'Get only looks', '--from', 'src/pages.v1.ts')
  t.deepEqual(
    decisions.filter(({ text }) => text.startsWith('get: ')).map(({ text }) => text),
    ['get: a query of PagesV2 and a command of PagesV1; translate this.next.get, or list it in refuses'],
  )
})

test.serial('collections: what stays is carried, what has other records or is new is left to decide', async (t) => {
  const cwd = repositoryOfGuide(t, 'ledger.v1.ts', 'ledger.v2.ts')
  const made = await newUpgrade(t, cwd, 'Notes', '--from', 'src/ledger.v1.ts')
  await isWhatIsLeft(t, cwd, made)
  const each = (change: string) =>
    `for (const [key, entry] of collections.old('entries').entries()) {\n collections.next('entries').put(key, ${change})\n await collections.flushed()\n}`
  const measured = "{ sku: entry.sku, amount: { value: entry.count, unit: 'piece' } }"
  const counted = '{ sku: entry.sku, count: entry.amount.value }'
  decide(
    t,
    cwd,
    'src/upgrades/1-notes.ts',
    ['note', "this.collection('notes').put(about, text)"],
    ['noted', "return this.collection('notes').get(about) ?? null"],
    ['pastSO', 'notNeeded'],
    ['entries', each(measured)],
    ['notes', ''],
    ['entries', each(counted)],
  )
  const mapped = (change: string) => `[...old('entries').entries()].map(([key, entry]) => [key, ${change}] as const)`
  decide(t, cwd, 'src/upgrades/1-notes.mapping.ts', ['entries', mapped(measured)], ['entries', mapped(counted)])
  await isGreen(t, cwd, '1-notes')
})

test.serial('fields that one side alone has are left to decide, and so are arguments that nobody could guess', async (t) => {
  const cwd = repositoryOfGuide(t, 'stock.v2.ts', 'stock.v3.ts')
  const made = await newUpgrade(t, cwd, 'Amounts', '--from', 'src/stock.v2.ts')
  t.deepEqual(
    made.decisions.map(({ file, text }) => `${file.split('/').at(-1)} ${text.split(':')[0]}`),
    [
      ...['receive', 'take', 'amount', 'forget', 'receive', 'take', 'count', 'amounts', 'counts'].map(
        (name) => `1-amounts.ts ${name}`,
      ),
      ...['amounts', 'counts'].map((name) => `1-amounts.mapping.ts ${name}`),
      ...['receive', 'take'].map((name) => `1-amounts.test.ts ${name}`),
    ],
  )
  await isWhatIsLeft(t, cwd, made)
  t.regex(readFileSync(join(cwd, 'src/upgrades/1-amounts.ts'), 'utf8'), /initial: \(old\) => \(\{ counts: old\.counts \}\),/)
})

test.serial(
  'without a new class a copy is written and nothing else; the upgrade is written when the reader has changed it',
  async (t) => {
    const cwd = repositoryWith(t, 'set')
    rmSync(join(cwd, 'src/cache.ts'))
    const made = await newUpgrade(t, cwd, 'Items can be removed', '--from', 'src/archive.ts#Archive')
    t.is(made.files[0]!.file, 'src/archive.v2.ts')
    t.is(made.files.length, 1)
    t.deepEqual(made.decisions, [])
    t.regex(made.next.at(-1)!, /npx natsctl new upgrade 'Items can be removed' --from src\/archive\.ts#Archive: once more/)
    t.regex(
      readFileSync(join(cwd, 'src/archive.v2.ts'), 'utf8'),
      /class ArchiveV2 extends .*\n {2}static override readonly className = 'Archive\.v2'\n/,
    )
    change(cwd, 'src/archive.v2.ts', [
      '  @query has',
      "  @command remove(item: string): void {\n    this.collection('items').delete(item)\n  }\n\n  @query has",
    ])
    const again = await newUpgrade(t, cwd, 'Items can be removed', '--from', 'src/archive.ts')
    t.deepEqual(
      again.files.map(({ file }) => file.split('/').at(-1)!.slice(0, 2)),
      ['1-', '1-', '1-'],
    )
    t.regex(again.decisions[0]!.text, /^remove: /)
    // The compiler asks by name for later changes.
    change(
      cwd,
      'src/archive.v2.ts',
      ['{ items: true }', '{ items: { at: number } }'],
      ['put(item, true)', 'put(item, { at: this.now() })'],
    )
    const carried = (await errorsIn(cwd)).filter((error) => /Argument of type '"items"' is not assignable/.test(error))
    t.is(carried.length, 2, 'there and back')
  },
)

test.serial('a service and its first upgrade, made and not touched, run against real servers', async (t) => {
  const cwd = emptyRepository(t)
  await natsctl(t, ['new', 'service', 'orders'], { cwd })
  await newUpgrade(t, cwd, 'Nothing yet', '--from', 'src/orders.v1.ts')
  await newUpgrade(t, cwd, 'Nothing yet', '--from', 'src/orders.v1.ts')
  const file = 'src/upgrades/1-nothing-yet.ts'
  change(cwd, file, ["gradually({ every: '10s', probability: 0.2 })", 'eagerly()'], ['gradually, ', 'eagerly, '])
  await isGreen(t, cwd, '1-nothing-yet')
  const up = new NatsctlProcess(t, ['up', '-o', 'json'], { cwd })
  const { env } = await up.document(({ type }) => type === 'ready', 'the system is up')
  await natsctl(t, ['call', 'orders1', 'put', 'a', 'one'], { env })
  const published = await natsctl(t, ['upgrade', 'publish', '1-nothing-yet.upgrade'], { cwd, env })
  t.is(published.code, 0, published.stderr)
  t.is((await natsctl(t, ['rollout', 'status', '--wait'], { env })).code, 0)
  t.is((await natsctl(t, ['call', 'orders1', 'get', 'a', '-o', 'json'], { env })).stdout, '"one"\n')
  const { stdout } = await natsctl(t, ['node', 'ls', '-o', 'json'], { env })
  t.deepEqual([...new Set(JSON.parse(stdout).map((node: { class: string }) => node.class))], ['Orders.v2'])
  up.child.kill('SIGTERM')
  await up.ended
})

test.serial('what can’t be a start for an upgrade is one line, and nothing is written', async (t) => {
  const cwd = repositoryWith(t, 'pages')
  writeFileSync(join(cwd, 'src/both.ts'), "export { PagesV1 } from './pages.v1.js'\nexport { PagesV2 } from './pages.v2.js'\n")
  writeFileSync(join(cwd, 'src/other.ts'), readFileSync(join(cwd, 'src/pages.v1.ts'), 'utf8').replace("'Pages.v1'", "'Books.v1'"))
  writeFileSync(
    join(cwd, 'src/wrong.v1.ts'),
    readFileSync(join(cwd, 'src/pages.v1.ts'), 'utf8').replace('return this.state', 'return 1 + this.state'),
  )
  writeFileSync(join(cwd, 'src/empty.ts'), 'export const nothing = 1\n')
  const before = filesIn(cwd)
  const cases: readonly (readonly [readonly string[], number, RegExp])[] = [
    [['--from', 'src/pages.v1.js'], 2, /name the TypeScript source/],
    [['--from', 'src/pages.v9.ts'], 2, /there is no file src\/pages\.v9\.ts/],
    [['--from', 'src/pages.v1.ts#PagesV7'], 2, /src\/pages\.v1\.ts exports PagesV1\n/],
    [['--from', 'src/both.ts'], 2, /which class\? src\/both\.ts exports PagesV1, PagesV2: write src\/both\.ts#PagesV1\n/],
    [
      ['--from', 'src/both.ts#PagesV1'],
      1,
      /src\/both\.ts exports PagesV2 too: write the new class yourself, and name it with --to\n/,
    ],
    [['--from', 'src/empty.ts'], 2, /exports no class that extends NodeObject/],
    [['--from', 'src/pages.v1.ts', '--to', 'src/other.ts'], 1, /of service pages, the new one of books/],
    [['--from', 'src/pages.v1.ts', '--to', 'src/pages.v1.ts'], 1, /the new class needs a name of its own/],
    [['--from', 'src/wrong.v1.ts', '--to', 'src/pages.v2.ts'], 1, /the classes do not compile:\nsrc\/wrong\.v1\.ts\(\d+,/],
    [[], 2, /--from/],
  ]
  for (const [args, code, says] of cases) {
    const refused = await natsctl(t, ['new', 'upgrade', 'x', ...args], { cwd })
    t.is(refused.code, code, `${args.join(' ')}: ${refused.stderr}`)
    t.regex(refused.stderr, says)
    t.is(refused.stdout, '')
  }
  t.deepEqual(filesIn(cwd), before)
})

test.serial('a dry run says the whole upgrade, and leaves nothing behind', async (t) => {
  const cwd = repositoryWith(t, 'pages')
  const before = filesIn(cwd)
  const { code, stdout } = await natsctl(t, ['new', 'upgrade', 'x', '--from', 'src/pages.v1.ts', '--dry-run'], { cwd })
  t.is(code, 0)
  for (const file of ['src/upgrades/1-x.ts', 'src/upgrades/1-x.mapping.ts', 'src/upgrades/1-x.test.ts'])
    t.true(stdout.includes(`--- ${file}\n`), file)
  t.deepEqual(filesIn(cwd), before)
})

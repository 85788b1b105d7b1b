/** docs/architecture.md follows the code: each part that it names is there, under that name. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'

const root = resolve(fileURLToPath(new URL('../../..', import.meta.url)))
const page = readFileSync(join(root, 'docs/architecture.md'), 'utf8')
const houses = ['core', 'actors', 'transports', 'telemetry', 'natsctl', 'rehearsal']

const files = houses.flatMap((house) =>
  readdirSync(join(root, house), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => `${house}/${name}`),
)

/** Modules, and rooms: the folders on the way to them. */
const parts = new Set(files.flatMap((file) => file.replace(/\.ts$/, '').split('/')))
const declared = new Set(
  files.flatMap((file) =>
    [
      ...readFileSync(join(root, file), 'utf8').matchAll(/^export (?:abstract )?(?:class|interface|function|const|type) (\w+)/gm),
    ].map((match) => match[1]!),
  ),
)

test('each part that the architecture names in bold is a room, a module, or a name that a module exports', (t) => {
  const named = [...page.matchAll(/\*\*(\w+)\*\*/g)].map((match) => match[1]!)
  t.true(named.length > 60)
  // The statechart of an upgrade has two files.
  const known = (name: string) => name === 'statechart' || parts.has(name) || declared.has(name)
  t.deepEqual(
    named.filter((name) => !known(name)),
    [],
  )
})

for (const name of ['CONTRIBUTING.md', 'docs/architecture.md', 'docs/design.md', 'docs/paper-map.md'])
  test(`each file that ${name} names with its folder is there`, (t) => {
    const paths = [...readFileSync(join(root, name), 'utf8').matchAll(/`([\w.-]+\/[\w./-]+\.(?:ts|mjs|md|txt|json))`/g)].map(
      (match) => match[1]!,
    )
    t.true(paths.length > 2)
    t.deepEqual(
      paths.filter((path) => !existsSync(join(root, path))),
      [],
    )
  })

/** The rooms that the numbered steps of a walk begin with. */
function walk(title: string): readonly string[] {
  const text = page.split(`## ${title}\n`)[1]!.split('\n## ')[0]!
  return [...text.matchAll(/^\d+\. \*\*(\w+)\*\*/gm)].map((match) => match[1]!)
}

test('the walks of a call and of an upgrade meet each room once', (t) => {
  t.deepEqual(walk('A call'), ['calls', 'transports', 'serving', 'software', 'state'])
  t.deepEqual(walk('An upgrade'), ['natsctl', 'server', 'history', 'upgrade', 'state', 'software'])
})

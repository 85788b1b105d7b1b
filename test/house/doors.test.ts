/** docs/reference.md has each name that the package's doors export, and nothing else can be imported. */
import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'

const root = resolve(fileURLToPath(new URL('../../..', import.meta.url)))
const read = (path: string) => readFileSync(join(root, path), 'utf8')
const { name: packageName, exports } = JSON.parse(read('package.json')) as {
  readonly name: string
  readonly exports: Readonly<Record<string, string>>
}

/** The names that a door exports, types too: those that its source lists, and those that it declares. */
function namesOf(door: string): readonly string[] {
  const source = read(exports[door]!.replace('./dist/', '').replace(/\.js$/, '.ts'))
  const listed = [...source.matchAll(/^export (?:type )?\{([^}]*)\}/gm)].flatMap(([, names]) => names!.split(','))
  const declared = [...source.matchAll(/^export (?:async )?(?:function|const|interface|type|class) (\w+)/gm)].map(
    ([, name]) => name!,
  )
  const bare = listed.map((name) =>
    name
      .trim()
      .replace(/^type /, '')
      .replace(/^.* as /, ''),
  )
  return [...new Set([...bare.filter((name) => name !== ''), ...declared])].sort()
}

/** The names in the first cells of the reference's tables, by the door of the table or of the row. */
function documented(): ReadonlyMap<string, readonly string[]> {
  const names = new Map<string, string[]>()
  let section = ''
  for (const line of read('docs/reference.md').split('\n')) {
    const heading = /^## (.*)/.exec(line)
    if (heading !== null) section = heading[1]!
    const [, first, second] = line.startsWith('|') && section !== '' ? line.split('|') : []
    if (first === undefined || !first.includes('`')) continue
    const door = section.startsWith(packageName)
      ? `.${section.slice(packageName.length)}`
      : `.${second!.trim().replaceAll('`', '')}`
    names.set(door, [...(names.get(door) ?? []), ...[...first.matchAll(/`(\w+)`/g)].map(([, name]) => name!)])
  }
  return names
}

const described = documented()

for (const door of Object.keys(exports))
  test(`the reference describes each name that ${packageName}${door.slice(1)} exports, once, and no other`, (t) => {
    const names = namesOf(door)
    t.true(names.length > 0)
    t.deepEqual([...(described.get(door) ?? [])].sort(), names)
  })

test('the reference has no door that the package does not have, and lists them all at its head', (t) => {
  t.deepEqual(
    [...described.keys()].filter((door) => !(door in exports)),
    [],
  )
  const [head = ''] = read('docs/reference.md').split('\n## ')
  for (const door of Object.keys(exports)) t.true(head.includes(door === '.' ? `\`${packageName}\`` : `${door.slice(1)}\``), door)
})

test('each value that a door lists is there when it is imported', async (t) => {
  for (const door of Object.keys(exports)) {
    const values = Object.keys(await import(packageName + door.slice(1)))
    t.deepEqual(
      values.filter((name) => !namesOf(door).includes(name)),
      [],
      door,
    )
  }
})

test('nothing but the doors can be imported', async (t) => {
  t.deepEqual(
    Object.entries(exports).filter(([door, path]) => door.includes('*') || !path.startsWith('./dist/') || !path.endsWith('.js')),
    [],
  )
  for (const path of ['/dist/index.js', '/dist/core/base/fault.js', '/index.js', '/core/base/fault.js', '/package.json'])
    await t.throwsAsync(() => import(packageName + path), { code: 'ERR_PACKAGE_PATH_NOT_EXPORTED' }, path)
})

test('natsctl uses each name of the operator door: a name that it does not need any more leaves the door', (t) => {
  const files = readdirSync(join(root, 'natsctl'), { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'))
  const imports = /\{([^}]*)\}\s+from '[^']*\/operator'/g
  const used = new Set(
    files.flatMap((file) => [...read(`natsctl/${file}`).matchAll(imports)].flatMap(([, names]) => names!.match(/\w+/g) ?? [])),
  )
  t.deepEqual(
    namesOf('./operator').filter((name) => !used.has(name)),
    [],
  )
})

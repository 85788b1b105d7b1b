/**
 * DESIGN §2: arrows go one way. `core ← actors`, `core ← transports`; one composition root knows all; the
 * rest uses the public entry.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../../..')

/**
 * The imports that each room may make by path, beside itself. `theseus-actors` is the public entry; every
 * other package is a room's own affair.
 */
const allowed: Record<string, readonly string[]> = {
  core: [],
  actors: ['core'],
  transports: ['core'],
  telemetry: ['core'],
  natsctl: ['theseus-actors'],
  rehearsal: ['core', 'theseus-actors'],
  samples: ['theseus-actors'],
  bench: ['theseus-actors', 'test'],
}

/** Files of a folder that are code of ours. */
function sources(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts') && !entry.parentPath.includes('node_modules'))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
}

function importsOf(file: string): string[] {
  const text = readFileSync(join(root, file), 'utf8')
  return [...text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map((match) => match[1]!)
}

/** The room that an import leads to, if it leads to one of ours. */
function roomOf(file: string, specifier: string): string | undefined {
  if (specifier === 'theseus-actors' || specifier.startsWith('theseus-actors/')) return 'theseus-actors'
  if (!specifier.startsWith('.')) return undefined
  return relative(root, resolve(root, dirname(file), specifier)).split('/')[0]
}

for (const [room, others] of Object.entries(allowed)) {
  test(`${room} imports only ${['itself', ...others].join(', ')}`, (t) => {
    const files = sources(room)
    t.true(files.length > 0, `${room} has files`)
    const wrong = files.flatMap((file) =>
      importsOf(file)
        .map((specifier) => [specifier, roomOf(file, specifier)] as const)
        .filter(([, to]) => to !== undefined && to !== room && !others.includes(to))
        .map(([specifier]) => `${file} imports ${specifier}`),
    )
    t.deepEqual(wrong, [])
  })
}

test('nothing imports the package by the name that it had until 0.1.0', (t) => {
  const rooms = [...Object.keys(allowed), 'test'].flatMap(sources)
  const former = /^theseus(\/|$)/
  t.deepEqual(
    rooms.filter((file) => importsOf(file).some((specifier) => former.test(specifier))),
    [],
  )
})

test('time and chance are parameters: core and actors name no clock and no random source', (t) => {
  const forbidden =
    /\b(Date\.now|new Date\(\)|setTimeout\(|setInterval\(|setImmediate\(|performance\.|Math\.random|crypto\.random|randomUUID|queueMicrotask\()/
  const wrong = [...sources('core'), ...sources('actors')].filter((file) => {
    const code = readFileSync(join(root, file), 'utf8')
      .split('\n')
      .filter((line) => !/^\s*(\*|\/\/|\/\*)/.test(line))
      .join('\n')
    return forbidden.test(code)
  })
  t.deepEqual(wrong, [])
})

test('the core does no input and no output', (t) => {
  const wrong = sources('core').flatMap((file) =>
    importsOf(file)
      .filter((specifier) => specifier.startsWith('node:') && specifier !== 'node:crypto')
      .map((specifier) => `${file} imports ${specifier}`),
  )
  t.deepEqual(wrong, [])
})

test('no file exports everything of another: the doors are small', (t) => {
  const wrong = Object.keys(allowed)
    .flatMap(sources)
    .filter((file) => /export \* from/.test(readFileSync(join(root, file), 'utf8')))
  t.deepEqual(wrong, [])
})

test('no part has a place for a function that another part fills: whom it calls, it is given when it is made', (t) => {
  const linesOf = (file: string) =>
    readFileSync(join(root, file), 'utf8')
      .split('\n')
      .map((line) => `${file}: ${line}`)
  const parts = sources('actors').flatMap(linesOf)
  // A public field that has a function, but another one later.
  const place = /: {3}(?:public )?\w+\??: (?:\(.*\) => .*=|\(\(.*\) => .*\| undefined)/
  const ofItsNode = /: +(?:this\.)?(?:node|services)\.[\w.]+ = /
  // Private names are a part's own.
  const filled = /: +[\w.]+\.\w+ = (?:async )?(?:\([^)]*\)|\w+) =>/
  t.deepEqual(
    parts.filter((line) => place.test(line) || filled.test(line) || ofItsNode.test(line)),
    [],
  )
  const composed = ['compose.ts', 'hostScope.ts', 'neighbourScope.ts'].flatMap(linesOf)
  t.deepEqual(
    composed.filter((line) => /: +\w+(?:\.\w+)+ = /.test(line)),
    [],
  )
})

test('what is injected by its class is one per host: each part of a host that asks for it gets the same', (t) => {
  const parts = readFileSync(join(root, 'hostScope.ts'), 'utf8').match(/const hostParts\b[^\n]*= \[([^\]]*)\]/)![1]!
  const listed = new Set(parts.match(/\w+/g))
  const injected = sources('actors').flatMap((file) =>
    [...readFileSync(join(root, file), 'utf8').matchAll(/@inject\(([A-Z]\w*)\)/g)].map((match) => match[1]!),
  )
  t.true(new Set(injected).size > 20)
  t.deepEqual(
    [...new Set(injected)].filter((name) => !listed.has(name)),
    [],
  )
})

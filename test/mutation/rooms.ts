/** Which code is tried with mutants, and which tests it is tried with. */
import { globSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'

interface Room {
  /** Sources, from the beginning of their path. */
  readonly sources: string
  /** Folders or files of tests, those that are likelier to see a mutant first. */
  readonly tests: readonly string[]
}

/** The first that fits counts. Tests that start servers are taken only where they are named as files. */
const rooms: readonly Room[] = [
  { sources: 'core/', tests: ['core', 'actors'] },
  { sources: 'actors/', tests: ['actors', 'core'] },
  {
    sources: 'transports/redis/',
    tests: [
      ...['contracts/database.test.ts', 'contracts/redisEdges.test.ts', 'contracts/redisSettings.test.ts'],
      ...['contracts/redisReplicas.test.ts', 'contracts/databaseOnCluster.test.ts'],
    ],
  },
  { sources: 'transports/lmdb/', tests: ['contracts/store.test.ts'] },
  { sources: 'transports/nats/', tests: ['contracts/transport.test.ts'] },
  {
    sources: 'transports/memory/',
    tests: [
      ...['core', 'actors', 'contracts/database.test.ts', 'contracts/store.test.ts', 'contracts/transport.test.ts'],
      ...['contracts/keptDatabase.test.ts', 'contracts/keptShardLogs.test.ts'],
    ],
  },
  { sources: 'transports/', tests: ['actors', 'core'] },
  { sources: 'telemetry/', tests: ['telemetry'] },
  { sources: 'rehearsal/', tests: ['rehearsal'] },
  { sources: 'natsctl/', tests: ['natsctl'] },
]

/** Sources that hold what must always hold: these are tried unless others are asked for. */
const usual = [
  'core/**/*.ts',
  'actors/**/*.ts',
  'transports/redis/{redisPreamble,{history,registration,permit,table,death,directive,audit}Scripts}.ts',
]

/** Modules whose users start processes and servers. */
const outside = [
  'test/support/servers.ts',
  'test/natsctl/natsctlProcess.ts',
  'test/support/browser.ts',
  'test/mutation/projects.ts',
]

export function usualSources(root: string): readonly string[] {
  return sources(root, usual)
}

/** Sources by path, folder or pattern. */
export function sources(root: string, patterns: readonly string[]): readonly string[] {
  const found = patterns.flatMap((pattern) => {
    const path = relative(root, resolve(root, pattern)).replace(/\/$/, '')
    const files = globSync([path, `${path}/**/*.ts`], { cwd: root })
    if (files.length === 0) throw new Error(`no source fits "${pattern}"`)
    return files
  })
  return [...new Set(found)].filter((file) => file.endsWith('.ts') && !file.endsWith('.d.ts')).sort()
}

export function testsFor(root: string, source: string): readonly string[] {
  const room = rooms.find((one) => source.startsWith(one.sources))
  if (room === undefined) throw new Error(`${source} is in no room that has tests of its own (test/mutation/rooms.ts)`)
  return room.tests.flatMap((place) => {
    if (place.endsWith('.ts')) return [`test/${place}`]
    return globSync(`test/${place}/**/*.test.ts`, { cwd: root })
      .sort()
      .filter((file) => !startsServers(root, file))
  })
}

const answers = new Map<string, boolean>()

function startsServers(root: string, test: string): boolean {
  const path = join(root, test)
  let found = answers.get(path)
  if (found === undefined) {
    found = leadsOutside(root, test, new Set())
    answers.set(path, found)
  }
  return found
}

function leadsOutside(root: string, file: string, seen: Set<string>): boolean {
  if (outside.includes(file)) return true
  if (seen.has(file) || !file.startsWith('test/')) return false
  seen.add(file)
  const text = readFileSync(join(root, file), 'utf8')
  return [...text.matchAll(/from '(\.[^']+)\.js'/g)].some(([, path]) =>
    leadsOutside(root, relative(root, resolve(root, dirname(file), `${path}.ts`)), seen),
  )
}

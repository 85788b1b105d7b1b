/**
 * `natsctl __complete <words…>`: what can come next, one a line, with a tab before its description; the last
 * line is `:files` where files can, else `:`. It answers soon with what it knows by then, says nothing of
 * what goes wrong, and asks nobody anything but the upgrade database.
 */
import type { Command } from 'commander'
import type { NodeRow } from 'theseus-actors'
import { clientService, decodeManifest, isName } from 'theseus-actors/operator'
import type { Clock } from 'theseus-actors/ports'
import { redis } from 'theseus-actors/redis'
import { answerTimeoutMs } from '../context/answerTimeout.js'
import { ContextFiles } from '../context/contextFiles.js'
import type { GlobalFlags } from '../context/flags.js'
import { systemIn, targetOf } from '../context/target.js'
import { oneLine } from '../output/output.js'
import { type Candidate, type Kind, type Wanted, wantedNext } from './candidates.js'

/** A person who presses Tab waits; a process takes a while to start, too. */
const answerMsDefault = 500
/** Nobody reads more. */
const candidatesMax = 500

/** Redis has a clock of its own. */
const noClock: Clock = { now: Date.now, monotonicMs: () => performance.now(), after: () => () => {}, turn: () => {} }

type Database = Awaited<ReturnType<ReturnType<typeof redis>['open']>>

export async function complete(root: Command, words: readonly string[]): Promise<void> {
  // A warning would be printed into the command line here.
  process.stderr.write = () => true
  const text = await completionText(root, words, answerTimeoutMs(answerMsDefault))
  // A database that does not answer would hold the process.
  process.stdout.write(text, () => process.exit(0))
}

/** All that is printed. */
export async function completionText(root: Command, words: readonly string[], answerMsMax = answerMsDefault): Promise<string> {
  const wanted = wantedNext(root, words)
  const found = [...wanted.candidates]
  const late = new Promise<void>((resolve) => setTimeout(resolve, answerMsMax).unref())
  const looked = lookUp(wanted, (candidates) => found.push(...candidates)).catch(() => {})
  await Promise.race([looked, late])
  const lines = found
    .filter(({ text }) => text.startsWith(wanted.prefix) && !/\s/.test(text))
    .slice(0, candidatesMax)
    .map(({ text, description }) => `${wanted.before}${oneLine(text)}${description === '' ? '' : `\t${oneLine(description)}`}\n`)
  return `${lines.join('')}${wanted.kinds.includes('file') ? ':files' : ':'}\n`
}

async function lookUp({ kinds, flags, args }: Wanted, add: (candidates: readonly Candidate[]) => void): Promise<void> {
  const asked = kinds.filter((kind) => kind !== 'file')
  const files = new ContextFiles()
  if (asked.includes('context')) add(named(await files.names()))
  if (asked.includes('system')) {
    const contexts = await Promise.all((await files.names()).map((name) => files.read(name).catch(() => undefined)))
    add(named(new Set(contexts.flatMap((context) => context?.system ?? []))))
  }
  const live = asked.filter((kind) => kind !== 'context' && kind !== 'system')
  if (live.length === 0) return
  const target = await targetOf(flags as unknown as GlobalFlags)
  const database = await redis(target.redis).open(systemIn(target), noClock)
  try {
    for (const kind of live) add(await namesOf(kind, database, args))
  } finally {
    await database.close()
  }
}

async function namesOf(kind: Kind, database: Database, args: readonly string[]): Promise<readonly Candidate[]> {
  switch (kind) {
    case 'node':
      return (await nodesOf(database)).map(({ nodeId, service, version, phase }) => ({
        text: nodeId,
        description: `${service}, version ${version}, ${phase}`,
      }))
    case 'service':
      return named(new Set((await nodesOf(database)).map(({ service }) => service)))
    case 'class':
      return named(new Set((await nodesOf(database)).map(({ className }) => className)))
    case 'version':
      return versionsOf(database)
    case 'table':
      return named(await database.tables())
    case 'tableKey':
      return isName(args[0]) ? named((await database.table(args[0])).keys()) : []
    case 'shard':
      return shardsOf(await database.nodes(args[0]), args[0])
    case 'host':
      return named(new Set((await nodesOf(database)).map(({ hostId }) => hostId)))
    case 'context':
    case 'system':
    case 'file':
      return []
  }
}

async function nodesOf(database: Database) {
  return (await database.nodes()).filter(({ service }) => service !== clientService)
}

/** Those that have nodes: the database knows no others. */
function shardsOf(rows: readonly NodeRow[], service: string | undefined): readonly Candidate[] {
  const shards = Map.groupBy(
    rows.filter((row) => row.service === service && row.shard !== undefined),
    ({ shard }) => shard!,
  )
  return [...shards]
    .sort(([a], [b]) => a - b)
    .map(([shard, of]) => ({ text: String(shard), description: `${of.length} ${of.length === 1 ? 'node' : 'nodes'}` }))
}

async function versionsOf(database: Database): Promise<readonly Candidate[]> {
  const { version: newest } = await database.head()
  const manifests = await database.manifests(Math.max(1, newest - candidatesMax + 1), newest)
  return manifests
    .map(({ bytes }) => decodeManifest(bytes))
    .map(({ version, title }) => ({ text: String(version), description: `${title} (not verified)` }))
}

function named(names: Iterable<string>): readonly Candidate[] {
  return [...names].sort().map((text) => ({ text, description: '' }))
}

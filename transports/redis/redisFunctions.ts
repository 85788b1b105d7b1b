/**
 * The scripts as one library of Redis functions. A login that may call functions (`+fcall`) can call these
 * and nothing of its own making; one that may run scripts (`+eval`) can stop Redis with an endless one.
 *
 * F1. Library and functions are named by the digest of their code. Libraries of several releases are loaded
 *     side by side, and each release finds its own, or none.
 */
import { createHash } from 'node:crypto'
import { type ScriptName, scripts } from './redisScripts.js'

/** Of what the functions are given and answer. */
const libraryFormat = 1

/** Those that remove or look: they go on while Redis has no memory left for anything else. */
const workWithoutMemory: ReadonlySet<ScriptName> = new Set<ScriptName>([
  'theseusDead',
  'theseusForget',
  'theseusGone',
  'theseusNodes',
  'theseusReaders',
  'theseusReleaseSlot',
  'theseusRemoveFromTable',
  'theseusStanding',
])

/**
 * Those that change nothing. A login that may only read calls them, and no others: Redis sees
 * to both (`FCALL_RO`).
 */
const reading: ReadonlySet<ScriptName> = new Set<ScriptName>([
  'theseusReadDead',
  'theseusReadNodes',
  'theseusReaders',
  'theseusStanding',
])

const names = Object.keys(scripts) as readonly ScriptName[]

const digest = createHash('sha256')
  .update(JSON.stringify([libraryFormat, scripts]))
  .digest('hex')
  .slice(0, 12)

export const libraryName = `theseus_${libraryFormat}_${digest}`

export function functionName(name: ScriptName): string {
  return `${name}_${digest}`
}

/** As `FUNCTION LOAD` takes it. */
export function libraryCode(): string {
  return [`#!lua name=${libraryName}`, ...names.map(registration)].join('\n')
}

function registration(name: ScriptName): string {
  const named = [...(workWithoutMemory.has(name) ? [`'allow-oom'`] : []), ...(reading.has(name) ? [`'no-writes'`] : [])]
  const flags = named.length === 0 ? '' : `, flags = { ${named.join(', ')} }`
  return `redis.register_function{ function_name = '${functionName(name)}'${flags}, callback = function(KEYS, ARGV)\n${scripts[name].lua}\nend }`
}

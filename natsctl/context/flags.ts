/** The flags that every command has, and how the values of flags are read. */
import { InvalidArgumentError } from 'commander'
import type { Version } from 'theseus-actors'
import type { NatsOptions } from 'theseus-actors/nats'
import { isName, isVersion, milliseconds, shardsMax } from 'theseus-actors/operator'
import { usageFailure } from '../output/exitCodes.js'
import type { OutputForm } from '../output/forms.js'
import type { FlagReaders } from './globalFlags.js'
import { type Trust, trustFlag } from './trust.js'

/** As they stand on the command line; `targetOf` knows what else counts. */
export interface GlobalFlags {
  readonly system?: string
  readonly context?: string
  readonly nats?: string
  readonly creds?: string
  readonly nkey?: string
  readonly as?: string
  readonly redis?: string
  readonly trust?: Trust
  readonly output: OutputForm
  /** False with `--no-input`: nobody is asked anything. */
  readonly input: boolean
}

/** How the values of the global flags are read. */
export const flagReaders: FlagReaders = { name: nameFlag, trust: trustFlag }

export function nameFlag(text: string): string {
  if (isName(text)) return text
  throw new InvalidArgumentError('Use letters, digits, - and _, at most 64, beginning with a letter or digit.')
}

export function durationFlag(text: string): number {
  try {
    const ms = milliseconds(text as `${number}s`)
    if (ms > 0 && ms < 2 ** 31) return ms
  } catch {}
  throw new InvalidArgumentError('Use a number with ms, s, m or h, such as 5s.')
}

export function shardFlag(text: string): number {
  const shard = /^\d+$/.test(text) ? Number(text) : Number.NaN
  if (shard < shardsMax) return shard
  throw new InvalidArgumentError('Use the number of a shard, such as 3.')
}

export function versionFlag(text: string): Version {
  const version = /^\d+$/.test(text) ? Number(text) : Number.NaN
  if (isVersion(version)) return version
  throw new InvalidArgumentError('Use a version number, such as 3.')
}

/** One URL or several, separated by commas, with the login in them as other NATS tools take it. */
export function natsOptionsOf(text: string): NatsOptions {
  const urls = text.split(',').map((part) => natsUrl(part.trim()))
  const [first] = urls
  const user = decodeURIComponent(first!.username)
  const pass = decodeURIComponent(first!.password)
  return {
    servers: urls.map(({ host, port }) => `nats://${host}${port === '' ? ':4222' : ''}`),
    // As in other tools of NATS: a name alone is a token.
    ...(user !== '' && (pass === '' ? { token: user } : { user, pass })),
    ...(urls.some(({ protocol }) => protocol === 'tls:') && { tls: {} }),
    connectTimeoutMs: 2_000,
  }
}

function natsUrl(text: string): URL {
  const full = text.includes('://') ? text : `nats://${text}`
  if (URL.canParse(full)) {
    const url = new URL(full)
    if (/^(nats|tls):$/.test(url.protocol) && url.hostname !== '') return url
  }
  // Not the text itself: it may hold a password.
  throw usageFailure('this is no address of NATS: use nats://host:4222, or tls://host:4222')
}

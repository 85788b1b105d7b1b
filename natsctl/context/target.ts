/**
 * Which system a command talks to, and where: out of flags, contexts and the environment. Its description for
 * people has no password, no token and no seed.
 *
 * T1. Each field is of the first of these that has it: flags, the context of `--context`, the
 *     environment, the context of `NATS_CONTEXT` or else the selected one, the defaults. A
 *     login in an address counts where that address does. Trust in `nobody` counts where the
 *     system is named, or stronger: it is of that system.
 */
import { jwtAuthenticator } from 'nats'
import type { NatsOptions } from 'theseus-actors/nats'
import { isName } from 'theseus-actors/operator'
import { redisUrlAddress } from 'theseus-actors/redis'
import { usageFailure } from '../output/exitCodes.js'
import { note } from '../output/output.js'
import { type Context, ContextFiles } from './contextFiles.js'
import { type GlobalFlags, natsOptionsOf } from './flags.js'
import type { Login, Tls } from './natsContext.js'
import { type Trust, trustFrom } from './trust.js'

export interface Target {
  readonly system: string | undefined
  readonly nats: NatsOptions
  readonly redis: string
  /** The trust to verify by; undefined where none is given. */
  /** The name to call under; undefined where callers have none. */
  readonly as: string | undefined
  readonly trust: Trust | undefined
  /** The name of the context that it is of, if any. */
  readonly context: string | undefined
}

/** Where fields come from. */
export interface Source {
  readonly system?: string
  readonly url?: string
  readonly login?: Login
  readonly tls?: Tls
  readonly inboxPrefix?: string
  readonly redis?: string
  readonly as?: string
  readonly trust?: Trust
  readonly name?: string
}

const defaults = { url: 'nats://127.0.0.1:4222', redis: 'redis://127.0.0.1:6379' } as const satisfies Source

export async function targetOf(flags: GlobalFlags, env: NodeJS.ProcessEnv = process.env): Promise<Target> {
  const files = new ContextFiles(env)
  const named = flags.context === undefined ? undefined : await files.find(flags.context)
  const ambient = named === undefined ? await ambientContext(files, env) : undefined
  return merge([
    sourceOf(flags, 'give --creds or --nkey, not both'),
    ...(named === undefined ? [] : [named]),
    sourceOf(environment(env), 'NATS_CREDS and NATS_NKEY are both set: unset one'),
    ...(ambient === undefined ? [] : [ambient]),
    defaults,
  ])
}

/** Where a system is that no flag names: the context that is kept with it. Undefined where there is none. */
export async function targetOfSystem(system: string, env: NodeJS.ProcessEnv = process.env): Promise<Target | undefined> {
  const context = await new ContextFiles(env).ofSystem(system)
  return context === undefined ? undefined : merge([context, defaults])
}

export function systemIn({ system }: Target): string {
  if (system !== undefined) return system
  throw usageFailure('which system? Give --system <name>, or set THESEUS_SYSTEM, or save one with a context')
}

/** T1, the strongest source first. */
export function merge(sources: readonly Source[]): Target {
  const first = (field: keyof Source) => sources.find((source) => source[field] !== undefined)
  const url = first('url')
  const { user, pass, token, ...address } = natsOptionsOf(url?.url ?? defaults.url)
  const inUrl = {
    ...(user === undefined ? {} : { user }),
    ...(pass === undefined ? {} : { pass }),
    ...(token === undefined ? {} : { token }),
  }
  const by = sources.find((source) => source.login !== undefined || (source === url && Object.keys(inUrl).length > 0))
  const [system, tls, inbox, redis, as] = [first('system'), first('tls'), first('inboxPrefix'), first('redis'), first('as')]
  const isOfSystem = (source: Source) =>
    sources.indexOf(source) <= (system === undefined ? sources.length : sources.indexOf(system))
  const trust = sources.find((source) => source.trust !== undefined && (source.trust !== 'nobody' || isOfSystem(source)))
  const used = new Set([url, by, system, tls, inbox, redis, as, trust])
  return {
    system: system?.system,
    nats: {
      ...address,
      ...(by?.login === undefined ? inUrl : loginOptions(by.login)),
      ...(tls?.tls === undefined ? {} : { tls: tls.tls }),
      ...(inbox?.inboxPrefix === undefined ? {} : { inboxPrefix: inbox.inboxPrefix }),
    },
    redis: redis?.redis ?? defaults.redis,
    as: as?.as,
    trust: trust?.trust,
    // One that has nothing to say here is not named: people would look there for what is elsewhere.
    context: sources.find((source) => source.name !== undefined && used.has(source))?.name,
  }
}

function loginOptions(login: Login): Partial<NatsOptions> {
  switch (login.kind) {
    case 'user':
      return { user: login.user, pass: login.pass }
    case 'token':
      return { token: login.token }
    case 'creds':
      return { creds: login.creds }
    case 'nkey':
      return { nkey: login.nkey }
    case 'jwt':
      return { authenticator: jwtAuthenticator(login.jwt, new TextEncoder().encode(login.seed)) }
  }
}

export function systemInEnvironment(env: NodeJS.ProcessEnv = process.env): string | undefined {
  const system = env.THESEUS_SYSTEM || undefined
  if (system === undefined || isName(system)) return system
  throw usageFailure('THESEUS_SYSTEM is no name: use letters, digits, - and _, at most 64, beginning with a letter or digit')
}

function environment(env: NodeJS.ProcessEnv): Parameters<typeof sourceOf>[0] {
  const of = (name: string): string | undefined => env[name] || undefined
  return {
    system: systemInEnvironment(env),
    nats: of('NATS_URL'),
    creds: of('NATS_CREDS'),
    nkey: of('NATS_NKEY'),
    redis: of('THESEUS_REDIS'),
    as: nameInEnvironment(env),
    trust: trustInEnvironment(env),
  }
}

function nameInEnvironment(env: NodeJS.ProcessEnv): string | undefined {
  const as = env.THESEUS_AS || undefined
  if (as === undefined || isName(as)) return as
  throw usageFailure('THESEUS_AS is no name: use letters, digits, - and _, at most 64, beginning with a letter or digit')
}

function trustInEnvironment({ THESEUS_TRUST: text }: NodeJS.ProcessEnv): Trust | undefined {
  if (!text) return undefined
  let trust: Trust | undefined
  try {
    trust = trustFrom(text)
  } catch (error) {
    throw usageFailure(`THESEUS_TRUST: ${(error as Error).message}`)
  }
  if (trust !== undefined) return trust
  throw usageFailure(
    'THESEUS_TRUST is neither public keys of upgraders, as "natsctl key new" prints them, nor the file of a trust root, nor "nobody"',
  )
}

function sourceOf(
  {
    system,
    nats,
    creds,
    nkey,
    redis,
    as,
    trust,
  }: { readonly [Field in 'system' | 'nats' | 'creds' | 'nkey' | 'redis' | 'as']?: string | undefined } & {
    readonly trust?: Trust | undefined
  },
  both: string,
): Source {
  if (creds !== undefined && nkey !== undefined) throw usageFailure(both)
  return {
    ...(system === undefined ? {} : { system }),
    ...(nats === undefined ? {} : { url: nats }),
    ...(creds === undefined ? {} : { login: { kind: 'creds', creds } }),
    ...(nkey === undefined ? {} : { login: { kind: 'nkey', nkey } }),
    ...(redis === undefined ? {} : { redis }),
    ...(as === undefined ? {} : { as }),
    ...(trust === undefined ? {} : { trust }),
  }
}

/** The context that nobody named on the command line. A selection that leads nowhere is no reason to stop. */
async function ambientContext(files: ContextFiles, env: NodeJS.ProcessEnv): Promise<Context | undefined> {
  if (env.NATS_CONTEXT) return files.find(env.NATS_CONTEXT)
  const selected = await files.selected()
  if (selected === undefined) return undefined
  if (await files.has(selected)) return files.read(selected)
  note(`the selected context ${selected} is not there any more: select another with "natsctl context select"`)
  return undefined
}

export function targetLine(target: Target): string {
  const of = target.context === undefined ? '' : ` (context ${target.context})`
  return `system ${systemIn(target)}${of}: NATS at ${natsAddress(target.nats).join(', ')}, Redis at ${redisUrlAddress(target.redis)}`
}

/** Its servers, and no login. */
export function natsAddress({ servers, tls }: NatsOptions): readonly string[] {
  return [servers].flat().map((server) => (tls === undefined ? server : server.replace(/^nats:/, 'tls:')))
}

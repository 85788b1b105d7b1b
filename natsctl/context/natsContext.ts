/**
 * A context as the NATS command line writes it: a JSON object of texts, of which natsctl uses
 * what is about the connection.
 */
import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { usageFailure } from '../output/exitCodes.js'

/** The login: one of these. */
export type Login =
  | { readonly kind: 'user'; readonly user: string; readonly pass: string }
  | { readonly kind: 'token'; readonly token: string }
  | { readonly kind: 'creds'; readonly creds: string }
  | { readonly kind: 'nkey'; readonly nkey: string }
  | { readonly kind: 'jwt'; readonly jwt: string; readonly seed: string }

export interface Tls {
  readonly certFile?: string
  readonly keyFile?: string
  readonly caFile?: string
  readonly handshakeFirst?: true
}

export interface NatsContext {
  readonly description?: string
  /** One address or several, with commas. */
  readonly url?: string
  readonly login?: Login
  readonly tls?: Tls
  readonly inboxPrefix?: string
}

/** @param path names the file to whom something in it must be said */
export function natsContextOf(fields: Record<string, unknown>, env: NodeJS.ProcessEnv, path: string): NatsContext {
  const wrong = (field: string, what: string): never => {
    throw usageFailure(`${path}: ${field} ${what}`)
  }
  const text = (field: string): string | undefined => {
    const value = fields[field]
    if (value === undefined || value === null || value === '') return undefined
    return typeof value === 'string' ? value : wrong(field, 'is no text')
  }
  const file = (field: string): string | undefined => {
    const value = text(field)
    if (value === undefined) return undefined
    return schemeOf(value) === undefined ? expanded(value.replace(/^file:\/\//i, ''), env) : wrong(field, unreadable(value))
  }
  const secret = (field: string): string | undefined => {
    const value = text(field)
    if (value === undefined) return undefined
    if (/^file:\/\//i.test(value)) return readSecret(value.slice('file://'.length), field, wrong)
    if (schemeOf(value) !== 'env') return schemeOf(value) === undefined ? value : wrong(field, unreadable(value))
    const name = value.slice('env://'.length)
    return env[name] || wrong(field, `is in ${name} of the environment, which is not set`)
  }
  for (const field of ['socks_proxy', 'nsc', 'windows_cert_store'])
    if (text(field) !== undefined) wrong(field, 'is nothing that natsctl can use: give --nats, and --creds or --nkey, instead')

  const [user, creds, nkey, jwt, token] = [secret('user'), file('creds'), file('nkey'), secret('user_jwt'), secret('token')]
  const login: Login | undefined =
    user !== undefined
      ? { kind: 'user', user, pass: secret('password') ?? '' }
      : creds !== undefined
        ? { kind: 'creds', creds }
        : nkey !== undefined
          ? { kind: 'nkey', nkey }
          : jwt !== undefined
            ? { kind: 'jwt', jwt, seed: secret('user_seed') ?? '' }
            : token === undefined
              ? undefined
              : { kind: 'token', token }
  const [certFile, keyFile, caFile] = [file('cert'), file('key'), file('ca')]
  if ((certFile === undefined) !== (keyFile === undefined)) wrong('cert', 'and key go together')
  const tls: Tls = {
    ...(certFile === undefined ? {} : { certFile }),
    ...(keyFile === undefined ? {} : { keyFile }),
    ...(caFile === undefined ? {} : { caFile }),
    ...(fields.tls_first === true ? { handshakeFirst: true } : {}),
  }
  const [description, url, inboxPrefix] = [text('description'), text('url'), text('inbox_prefix')]
  return {
    ...(description === undefined ? {} : { description }),
    ...(url === undefined ? {} : { url }),
    ...(login === undefined ? {} : { login }),
    ...(Object.keys(tls).length === 0 ? {} : { tls }),
    ...(inboxPrefix === undefined ? {} : { inboxPrefix }),
  }
}

/** Those that the NATS command line knows, beside a file. */
function schemeOf(value: string): string | undefined {
  return /^(op|nsc|env|data):/i.exec(value)?.[1]?.toLowerCase()
}

function unreadable(value: string): string {
  return `is kept as ${schemeOf(value)}://, which natsctl can't read: give --creds or --nkey instead`
}

function readSecret(path: string, field: string, wrong: (field: string, what: string) => never): string {
  try {
    return readFileSync(path, 'utf8').trimEnd()
  } catch (error) {
    return wrong(field, `can't be read: ${(error as Error).message}`)
  }
}

/** `~/nats.creds`, `$HOME/nats.creds`. */
function expanded(path: string, env: NodeJS.ProcessEnv): string {
  const full = path.replace(/\$(?:\{(\w+)\}|(\w+))/g, (_, braced?: string, bare?: string) => env[braced ?? bare ?? ''] ?? '')
  return full.startsWith('~') ? `${homedir()}${full.slice(1)}` : full
}

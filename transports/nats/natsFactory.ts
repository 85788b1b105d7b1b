/** Connecting to NATS: the settings, and what can be wrong with them. */
import { readFileSync } from 'node:fs'
import { type Authenticator, connect, credsAuthenticator, type NatsConnection, nkeyAuthenticator, type TlsOptions } from 'nats'
import { Fault, type FaultCode, isFault } from '../../core/base/fault.js'
import type { Transport } from '../../core/ports/transport.js'
import { inboxOf, isInbox } from '../../core/wire/subjects.js'
import { type ConnectionFacts, safeErrorHandler, type TransportFactory, type TransportOptions } from '../factory.js'
import { NatsTransport } from './natsTransport.js'

export interface NatsOptions {
  /** One or more of the cluster's servers: `nats://host:4222` or `host:4222`. */
  readonly servers: string | readonly string[]
  readonly user?: string
  readonly pass?: string
  readonly token?: string
  /**
   * A file with credentials, as `nsc` and NGS make them: a user's JWT and its seed. Read anew
   * at every attempt to connect.
   */
  readonly creds?: string
  /** A file with the seed of a user's nkey, `SU…`. Read anew at every attempt to connect. */
  readonly nkey?: string
  /** For anything else: see `nkeyAuthenticator` and `credsAuthenticator` of the package nats. */
  readonly authenticator?: Authenticator | readonly Authenticator[]
  /** `{}` asks for TLS with the system's certificate authorities. */
  readonly tls?: TlsOptions
  /**
   * The beginning of inboxes, for accounts that may not subscribe to `_INBOX.>`: `_INBOX.<name>` for a caller
   * with a name, if left out.
   */
  readonly inboxPrefix?: string
  /** Bounds each attempt to connect. 5,000 by default. */
  readonly connectTimeoutMs?: number
  /** Bounds the time that `close` waits for what is on its way. 3,000 by default. */
  readonly closeTimeoutMs?: number
  /** Instead of the host's own. */
  readonly onError?: TransportOptions['onError']
}

const reconnectWaitMs = 250
const reconnectJitterMs = 100
/**
 * A peer that vanished without a word is noticed when a ping is due and `pingsMax` have no
 * answer: after 30 s at most.
 */
const pingIntervalMs = 10_000
const pingsMax = 2

/**
 * NATS as a host's transport: `nats('nats://127.0.0.1:4222')`. Throws `config.invalid` for
 * servers that can't be meant.
 */
export function nats(options: string | NatsOptions): TransportFactory {
  const given = typeof options === 'string' ? { servers: options } : options
  const servers = serversOf(given)
  return { connect: (from = {}) => connectNats(given, servers, from), facts: factsOf(given) }
}

function factsOf({ tls, creds, nkey }: NatsOptions): ConnectionFacts {
  return {
    isEncrypted: tls !== undefined,
    howToEncrypt: 'give nats({ tls: {} })',
    secretFiles: [creds, nkey, tls?.keyFile].filter((file) => file !== undefined),
  }
}

export function serversOf(options: NatsOptions): readonly string[] {
  const servers = typeof options.servers === 'string' ? [options.servers] : options.servers
  if (servers.length === 0 || servers.some((server) => server.trim() === '')) {
    throw new Fault('config.invalid', "nats: give at least one server, for example 'nats://127.0.0.1:4222'")
  }
  if (options.creds !== undefined && options.nkey !== undefined)
    throw new Fault('config.invalid', 'nats: give creds or nkey, not both')
  // nats.js ignores them silently, and the login would fail for no visible reason.
  if (servers.some((server) => server.includes('@'))) {
    throw new Fault('config.invalid', 'nats: give credentials as user and pass, or token, and not in the address of a server')
  }
  const { inboxPrefix } = options
  if (inboxPrefix !== undefined && !isInbox(inboxPrefix))
    throw new Fault(
      'config.invalid',
      `nats: nobody answers to ${JSON.stringify(inboxPrefix)}: begin inboxPrefix with _, as _INBOX.web`,
    )
  return servers
}

async function connectNats(options: NatsOptions, servers: readonly string[], from: TransportOptions): Promise<Transport> {
  const inboxPrefix = inboxPrefixOf(options, from)
  const gate = { open: true }
  const connection = await openWithHeaders(options, servers, from.name, gate)
  return new NatsTransport(connection, {
    gate,
    openAnother: (left, newGate) => openAnother(left, options, servers, from.name, newGate),
    inboxPrefix,
    payloadBytesMax: connection.info!.max_payload,
    closeTimeoutMs: options.closeTimeoutMs ?? 3_000,
    report: safeErrorHandler(options.onError ?? from.onError),
  })
}

/** A caller with a name is answered in its own inboxes alone. */
export function inboxPrefixOf({ inboxPrefix }: NatsOptions, { as }: TransportOptions): string | undefined {
  if (as === undefined) return inboxPrefix
  const own = inboxOf(as).slice(0, -1)
  if (inboxPrefix === undefined || inboxPrefix === own || inboxPrefix.startsWith(`${own}.`)) return inboxPrefix ?? own
  throw new Fault('config.invalid', `nats: ${as} is answered under ${own}, not under ${inboxPrefix}: leave inboxPrefix out`)
}

type Open = Parameters<typeof openConnection>

/**
 * Without headers a server sends no no-responders answers: calls to a node that is not there
 * would only time out.
 */
async function openWithHeaders(...[options, servers, name, gate]: Open): Promise<NatsConnection> {
  const connection = await openConnection(options, servers, name, gate)
  if (connection.info?.headers === true) return connection
  await connection.close()
  throw new Fault('config.invalid', `NATS at ${servers.join(', ')} has headers switched off: remove "no_header_support" there`)
}

/**
 * To another server than the one that is to be left, of those that were given and those that it knows. It
 * takes nobody any more.
 */
async function openAnother(left: NatsConnection, ...[options, servers, name, gate]: Open): Promise<NatsConnection> {
  const known = [...new Set([...servers, ...(left.info?.connect_urls ?? [])])]
  const connection = await openWithHeaders(options, known, name, gate)
  const { info } = connection
  if (info?.server_id !== left.info?.server_id && info?.ldm !== true) return connection
  await connection.close()
  throw new Fault('unavailable.disconnected', `NATS at ${connection.getServer()} is going down too`)
}

/** How soon a server is found out that is silent. */
export interface Pings {
  readonly pingIntervalMs: number
  readonly pingsMax: number
}

/** Throws a fault that says what is wrong. */
export async function openConnection(
  options: NatsOptions,
  servers: readonly string[],
  name: string | undefined,
  gate: { readonly open: boolean },
  pings: Pings = { pingIntervalMs, pingsMax },
): Promise<NatsConnection> {
  try {
    return await connect({
      servers: [...servers],
      name,
      user: options.user,
      pass: options.pass,
      token: options.token,
      tls: options.tls,
      inboxPrefix: options.inboxPrefix,
      authenticator: [gatekeeper(gate), ...authenticatorsOf(options)],
      timeout: options.connectTimeoutMs ?? 5_000,
      maxReconnectAttempts: -1,
      ignoreAuthErrorAbort: true,
      reconnectTimeWait: reconnectWaitMs,
      reconnectJitter: reconnectJitterMs,
      reconnectJitterTLS: reconnectJitterMs,
      pingInterval: pings.pingIntervalMs,
      maxPingOut: pings.pingsMax,
      noAsyncTraces: true,
    })
  } catch (error) {
    throw connectFault(error, servers)
  }
}

function authenticatorsOf({ creds, nkey, authenticator }: NatsOptions): readonly Authenticator[] {
  const fromFile = (what: string, path: string, make: (bytes: Uint8Array) => Authenticator): Authenticator => {
    return (nonce) => {
      try {
        return make(readFileSync(path))(nonce)
      } catch (error) {
        // Not what the reader says of the contents: a part of the seed may be in it.
        const why = (error as NodeJS.ErrnoException).syscall === undefined ? 'it holds none' : (error as Error).message
        throw new Fault('config.invalid', `nats: no ${what} can be read from ${path}: ${why}`)
      }
    }
  }
  return [
    ...(creds === undefined ? [] : [fromFile('credentials', creds, credsAuthenticator)]),
    ...(nkey === undefined ? [] : [fromFile('seed', nkey, (bytes) => nkeyAuthenticator(trimmed(bytes)))]),
    ...[authenticator ?? []].flat(),
  ]
}

/** As an editor leaves a file: with a line feed at its end. */
function trimmed(bytes: Uint8Array): Uint8Array {
  return new TextEncoder().encode(new TextDecoder().decode(bytes).trim())
}

/**
 * Asked for credentials at every attempt to connect, so it can stop the one that is under way
 * when `close` is called (N5).
 */
function gatekeeper(gate: { readonly open: boolean }): Authenticator {
  return () => {
    if (gate.open) return undefined as never
    throw new Error('the transport is closed')
  }
}

function connectFault(error: unknown, servers: readonly string[]): Fault {
  if (isFault(error)) return error
  const at = servers.join(', ')
  const { code = '', message } = error as { code?: string; message: string }
  const fault = (faultCode: FaultCode, text: string): Fault => new Fault(faultCode, text, {}, { cause: error })
  if (/^AUTH/.test(code))
    return fault('config.invalid', `NATS at ${at} refuses the login: check user, pass, token, creds, nkey or authenticator`)
  if (/^(INVALID_OPTION|NOT_FUNC|BAD API|TLS)$/.test(code)) return fault('config.invalid', `nats: ${message}`)
  // The reason by the system's word, or by that of nats.js.
  if (/^(CONNECTION_REFUSED|TIMEOUT|E[A-Z]+)$/.test(code)) {
    return fault('unavailable.disconnected', `can't reach NATS at ${at}: is nats-server running there?`)
  }
  return fault('unavailable.disconnected', `can't connect to NATS at ${at}: ${message}`)
}

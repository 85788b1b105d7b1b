/**
 * Looks at NATS for whoever asks whether all is well: which server answers, how fast, and which
 * hosts tell what they are.
 */
import { createInbox, type NatsConnection } from 'nats'
import { isName } from '../../core/base/ids.js'
import { isTrustMark, type Trusts } from '../../core/trust/trustMark.js'
import { inboxPrefixOf, type NatsOptions, openConnection, serversOf } from './natsFactory.js'

export interface NatsProbe {
  /** Where it is connected: `host:4222`. */
  readonly server: string
  readonly version: string
  readonly roundTripMs: number
  readonly isEncrypted: boolean
  /** Hosts that answered service discovery. Empty where the login may not ask. */
  readonly hosts: readonly DiscoveredHost[]
}

export interface DiscoveredHost {
  readonly hostId: string
  /** The Theseus that it runs. */
  readonly software: string
  /** Subjects, the first of them, on which NATS does not let it listen. */
  readonly refused: readonly string[]
  /** The trust that it tells; left out where it does not. */
  readonly trust?: Trusts
}

const discoveryMs = 300
/** Of what one host tells. */
const refusedLengthMax = 4_096

/** Connects, looks and goes. Throws as connecting does. */
export async function probeNats(options: NatsOptions, system: string, as?: string): Promise<NatsProbe> {
  const connection = await openConnection(options, serversOf(options), 'doctor', { open: true })
  try {
    const roundTripMs = await roundTrip(connection)
    const { info } = connection
    return {
      server: connection.getServer(),
      version: info?.version ?? '?',
      roundTripMs,
      isEncrypted: options.tls !== undefined || info?.tls_required === true,
      hosts: await discover(connection, inboxPrefixOf(options, as === undefined ? {} : { as }), system),
    }
  } finally {
    await connection.close()
  }
}

/** Of several, the quickest: the first one waits for what connecting left behind. */
async function roundTrip(connection: NatsConnection): Promise<number> {
  const times: number[] = []
  for (let i = 0; i < 3; i++) {
    const startedAt = performance.now()
    await connection.flush()
    times.push(performance.now() - startedAt)
  }
  return Math.min(...times)
}

async function discover(
  connection: NatsConnection,
  inboxPrefix: string | undefined,
  system: string,
): Promise<NatsProbe['hosts']> {
  const hosts = new Map<string, DiscoveredHost>()
  // Of two parts, as the inboxes of calls are: a login may listen to those.
  const inbox = `${createInbox(inboxPrefix)}.1`
  const subscription = connection.subscribe(inbox, {
    // A login that may not is no error here.
    callback: (error, message) => {
      if (error === null) for (const host of hostIn(message.data)) hosts.set(host.hostId, host)
    },
  })
  connection.publish(`$SRV.PING.theseus-${system}`, undefined, { reply: inbox })
  await connection.flush()
  await new Promise((resolve) => setTimeout(resolve, discoveryMs))
  subscription.unsubscribe()
  return [...hosts.values()].sort((a, b) => (a.hostId < b.hostId ? -1 : 1))
}

function hostIn(data: Uint8Array): NatsProbe['hosts'] {
  try {
    const { id, version, metadata } = JSON.parse(new TextDecoder().decode(data)) as Record<string, unknown>
    if (!isName(id) || typeof version !== 'string') return []
    const { refused, trust, trustRoot = null, trustIsSaid } = (metadata ?? {}) as Record<string, unknown>
    const subjects = typeof refused === 'string' ? refused.slice(0, refusedLengthMax).split(' ') : []
    const mark = { keys: trust, root: trustRoot }
    const told = isTrustMark(mark) ? { trust: { mark, isSaid: trustIsSaid !== 'no' } } : {}
    return [{ hostId: id, software: version.slice(0, 64), refused: subjects, ...told }]
  } catch {
    return []
  }
}

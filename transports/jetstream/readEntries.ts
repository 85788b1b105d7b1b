/**
 * Entries of a stream in their order, each asked for by its sequence and many at once. A consumer would be
 * faster. But making one needs the leader of the whole cluster, which may be the server that has just died.
 * And one that is left behind would have to be found.
 */
import { Fault } from '../../core/base/fault.js'
import type { LogEntry, Position } from '../../core/ports/log.js'
import { systemClock } from '../systemClock.js'
import type { Found, JetStreamApi } from './jetStreamApi.js'

const requestsInFlightMax = 256
const bytesInFlightMax = 8 * 1024 * 1024
const firstRequests = 16
/** A gap is believed when it is there after so many pauses: a new leader may not have all entries yet. */
const gapLooksMax = 4
const gapPauseMs = 250

interface Ends {
  readonly first: Position
  readonly last: Position
}

export async function* readEntries(
  api: JetStreamApi,
  stream: string,
  endsOf: () => Promise<Ends>,
  after: Position,
): AsyncGenerator<LogEntry> {
  const { first, last } = await endsOf()
  if (after + 1 < first) throw trimmed(stream, after, first)
  const flight: Promise<Found | { readonly failed: unknown }>[] = []
  let asked = after
  let window = firstRequests
  let largest = 0
  for (let position = after + 1; position <= last; position++) {
    for (; asked < last && flight.length < window; ) {
      const wanted = ++asked
      flight.push(api.get(stream, wanted).catch((failed) => ({ failed })))
    }
    let found: Found | undefined = reached(await flight.shift()!)
    if (found === 'missing') found = await lookAgain(api, stream, endsOf, position)
    if (found === undefined) return
    yield { position, bytes: found.bytes }
    largest = Math.max(largest, found.bytes.length)
    window = Math.min(requestsInFlightMax, Math.max(1, Math.floor(bytesInFlightMax / Math.max(1, largest))), window * 2)
  }
}

function reached(found: Found | { readonly failed: unknown }): Found {
  if (found !== 'missing' && 'failed' in found) throw found.failed
  return found
}

/** Undefined: the one who answers now knows of an older end. */
async function lookAgain(
  api: JetStreamApi,
  stream: string,
  endsOf: () => Promise<Ends>,
  position: Position,
): Promise<Exclude<Found, 'missing'> | undefined> {
  for (let looks = 1; ; looks++) {
    const found = await api.getFromLeader(stream, { seq: position })
    if (found !== 'missing') return found
    const { first, last } = await endsOf()
    if (position < first) throw trimmed(stream, position - 1, first)
    if (position > last) return undefined
    if (looks === gapLooksMax)
      throw new Fault('config.log-lost', `${stream}: entry ${position} is not there, and entries behind it are`)
    await new Promise<void>((resolve) => systemClock.after(gapPauseMs, resolve))
  }
}

function trimmed(stream: string, after: Position, first: Position): Fault {
  return new Fault('config.log-lost', `${stream}: entries ${after + 1} to ${first - 1} were trimmed`)
}

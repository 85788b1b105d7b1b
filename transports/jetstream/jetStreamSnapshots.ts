/**
 * Snapshots of one shard, in the stream of its service: each slice is a message, `<name>.<n>`. The last
 * message, `<name>.end`, says how many slices there are, and their digest. With it the snapshot counts.
 */
import { createHash } from 'node:crypto'
import { headers } from 'nats'
import { isDigest } from '../../core/base/digest.js'
import { Fault } from '../../core/base/fault.js'
import { checkName } from '../../core/base/ids.js'
import type { Snapshots } from '../../core/ports/log.js'
import { systemClock } from '../systemClock.js'
import { type Answer, apiAnswerOf, errorCodes, isRecord, silenceText } from './jetStreamAnswer.js'
import { apiFault, type Found, type JetStreamApi } from './jetStreamApi.js'
import { headerBytesMax } from './jetStreamLog.js'

const bytesInFlightMax = 8 * 1024 * 1024
const slicesInFlightMax = 64
const sendAgainPauseMs = 100

interface End {
  readonly slices: number
  readonly digest: string
}

export class JetStreamSnapshots implements Snapshots {
  /** One after the other: each first removes what earlier ones have left unfinished. */
  #writing: Promise<unknown> = Promise.resolve()

  constructor(
    readonly api: JetStreamApi,
    readonly stream: string,
    /** The beginning of its subjects. */
    readonly under: string,
  ) {}

  get sliceBytesMax(): number {
    return this.api.connection.payloadBytesMax - headerBytesMax
  }

  write(name: string, slices: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<void> {
    const written = this.#writing.then(() => this.#write(checkSnapshotName(name), slices))
    this.#writing = written.catch(() => {})
    return written
  }

  async #write(name: string, slices: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<void> {
    await this.#sweep(name)
    const hash = createHash('sha256')
    const flight: { readonly bytes: number; readonly sent: Promise<unknown> }[] = []
    let bytesInFlight = 0
    let count = 0
    const landed = async (): Promise<void> => {
      const { bytes, sent } = flight.shift()!
      const failed = await sent
      if (failed !== undefined) throw failed
      bytesInFlight -= bytes
    }
    try {
      for await (const given of slices) {
        const { length } = given
        if (length > this.sliceBytesMax)
          throw new Fault(
            'unavailable.storage',
            `${this.stream}: a slice of ${length} bytes is larger than ${this.sliceBytesMax}`,
          )
        const isFull = (): boolean => bytesInFlight + length > bytesInFlightMax || flight.length >= slicesInFlightMax
        while (flight.length > 0 && isFull()) await landed()
        // The caller may use its buffer again.
        const slice = new Uint8Array(given)
        hash.update(slice)
        bytesInFlight += length
        flight.push({ bytes: length, sent: this.#store(`${name}.${count++}`, slice).catch((failed) => failed) })
      }
      while (flight.length > 0) await landed()
    } finally {
      // None may arrive behind the sweep that removes them.
      await Promise.all(flight.map(({ sent }) => sent))
    }
    const end: End = { slices: count, digest: hash.digest('hex') }
    await this.#store(`${name}.end`, JSON.stringify(end))
  }

  /** Sent until it is stored: the same slice again takes the place of its first copy. */
  async #store(token: string, payload: Uint8Array | string): Promise<void> {
    const expected = headers()
    expected.set('Nats-Expected-Stream', this.stream)
    const deadlineMs = systemClock.monotonicMs() + this.api.waits.askMs
    for (;;) {
      const answer = await this.api.connection.request({
        subject: `${this.under}.${token}`,
        payload,
        headers: expected,
        timeoutMs: this.api.waits.answerMs,
      })
      const why = this.#whyNotStored(answer)
      if (why === undefined) return
      if (systemClock.monotonicMs() >= deadlineMs)
        throw new Fault('unavailable.storage', `${this.stream}: a slice of a snapshot could not be stored: ${why}`)
      await new Promise<void>((resolve) => systemClock.after(sendAgainPauseMs, resolve))
    }
  }

  /** Undefined: it is stored. Throws where another attempt is of no use. */
  #whyNotStored(answer: Answer): string | undefined {
    if (answer.kind === 'denied') throw new Fault('config.invalid', `${this.stream}: ${silenceText(answer)}`)
    if (answer.kind !== 'message') return silenceText(answer)
    const read = apiAnswerOf(answer.message)
    if (read === undefined) return 'its answer can’t be read'
    if (read.error === undefined && read.body.stream === this.stream) return undefined
    if (read.error === undefined || read.error.errorCode === errorCodes.otherStreamExpected)
      throw new Fault('config.invalid', `${this.stream}: another stream takes its subjects: let no other have them`)
    if (read.error.code < 500) throw apiFault(this.stream, read.error)
    return read.error.description
  }

  async *read(name: string): AsyncGenerator<Uint8Array> {
    const found = await this.api.getLast(this.stream, `${this.under}.${checkSnapshotName(name)}.end`)
    if (found === 'missing') throw this.#lost(name, 'is not there, or not whole')
    const end = endOf(found.bytes)
    if (end === undefined) throw this.#lost(name, 'has an end that can’t be read')
    const hash = createHash('sha256')
    const flight: Promise<Found | { readonly failed: unknown }>[] = []
    const inFlightMax = Math.max(1, Math.floor(bytesInFlightMax / this.sliceBytesMax))
    for (let asked = 0, slice = 0; slice < end.slices; slice++) {
      while (asked < end.slices && flight.length < inFlightMax)
        flight.push(this.api.getLast(this.stream, `${this.under}.${name}.${asked++}`).catch((failed) => ({ failed })))
      const got = await flight.shift()!
      if (got === 'missing') throw this.#lost(name, `lacks slice ${slice}`)
      if ('failed' in got) throw got.failed
      hash.update(got.bytes)
      yield got.bytes
    }
    if (hash.digest('hex') !== end.digest) throw this.#lost(name, 'has another digest than when it was written')
  }

  #lost(name: string, why: string): Fault {
    return new Fault('config.log-lost', `${this.stream}: the snapshot ${name} under ${this.under} ${why}`)
  }

  async names(): Promise<readonly string[]> {
    return (await this.#subjects(`${this.under}.*.end`)).map((subject) => this.#nameIn(subject))
  }

  /** The end goes first: one that is deleted in part is not there. */
  async delete(name: string): Promise<void> {
    checkSnapshotName(name)
    await this.api.purge(this.stream, { filter: `${this.under}.${name}.end` })
    await this.api.purge(this.stream, { filter: `${this.under}.${name}.>` })
  }

  /** Removes what was begun and never ended. */
  async #sweep(next: string): Promise<void> {
    const whole = new Set(await this.names())
    if (whole.has(next))
      throw new Fault('config.invalid', `${this.stream}: there is a snapshot ${next} already: give each its own name`)
    const begun = (await this.#subjects(`${this.under}.>`)).map((subject) => this.#nameIn(subject))
    for (const name of new Set(begun)) if (!whole.has(name)) await this.delete(name)
  }

  #nameIn(subject: string): string {
    const [name = ''] = subject.slice(this.under.length + 1).split('.')
    return name
  }

  /** The server tells them in pages. */
  async #subjects(filter: string): Promise<readonly string[]> {
    const subjects: string[] = []
    for (;;) {
      const { body, error } = await this.api.ask('STREAM.INFO', this.stream, { subjects_filter: filter, offset: subjects.length })
      if (error?.errorCode === errorCodes.streamNotFound)
        throw new Fault('config.log-lost', `the stream ${this.stream} is not there any more: somebody has deleted it`)
      if (error !== undefined) throw apiFault(this.stream, error)
      const { subjects: page } = (body.state ?? {}) as { subjects?: unknown }
      const found = isRecord(page) ? Object.keys(page) : []
      subjects.push(...found)
      if (found.length === 0 || subjects.length >= Number(body.total ?? 0)) return subjects
    }
  }
}

/** It becomes a token of a subject. */
function checkSnapshotName(name: string): string {
  try {
    return checkName('collection', name)
  } catch {
    throw new Fault('config.invalid', `a snapshot's name: use 1 to 64 letters, digits, - and _, beginning with a letter or digit`)
  }
}

/** More fields are passed over. A change that an older reader would misread takes a token beside `end`. */
function endOf(bytes: Uint8Array): End | undefined {
  try {
    const { slices, digest } = JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>
    return typeof slices === 'number' && Number.isSafeInteger(slices) && isDigest(digest) ? { slices, digest } : undefined
  } catch {
    return undefined
  }
}

/**
 * A client that knows docs/protocol.md, the package nats, and nothing else of Theseus: what somebody would
 * write in another language in an afternoon. Its MessagePack is the least that the page asks for.
 */
import { connect, type Msg, type NatsConnection } from 'nats'

export class StrangerFault extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly retryable: boolean,
    readonly details: Record<string, unknown> = {},
  ) {
    super(message)
  }
}

export interface Answer {
  readonly value: unknown
  readonly node: string
  readonly className: string
  readonly version: number
}

interface Open {
  readonly resolve: (answer: Answer) => void
  readonly reject: (fault: StrangerFault) => void
}

export interface Question {
  readonly method: string
  readonly args?: readonly unknown[]
  /** How field 0 to 13 of the envelope differ from what this client sends of itself. */
  readonly fields?: Readonly<Record<number, unknown>>
}

export class StrangerClient {
  readonly #incarnation = Math.floor(Math.random() * 2 ** 32)
  readonly #inbox: string
  readonly #open = new Map<number, Open>()
  #seq = 0

  private constructor(
    private readonly connection: NatsConnection,
    private readonly system: string,
    private readonly label: number,
  ) {
    this.#inbox = `_INBOX.stranger-${this.#incarnation}`
    connection.subscribe(`${this.#inbox}.*`, { callback: (_, message) => this.#arrived(message) })
  }

  static async connect(url: string, system: string, label: number): Promise<StrangerClient> {
    return new StrangerClient(await connect({ servers: url }), system, label)
  }

  /** `target` is the rest of a subject: `node.p1`, `service.pages` or `server`. */
  async call(target: string, method: string, ...args: readonly unknown[]): Promise<Answer> {
    return await this.ask(target, { method, args })[0]!
  }

  /** Several calls in one message. */
  ask(target: string, ...questions: readonly Question[]): Promise<Answer>[] {
    const calls: number[] = []
    const answers = questions.map(({ method, args = [], fields = {} }) => {
      const seq = ++this.#seq
      const call: unknown[] = [1, 1, this.label, seq, method, args, 5000, 'stranger', this.#incarnation, 'Client', this.label]
      for (const [i, value] of Object.entries(fields)) call[Number(i)] = value
      write(Array.from(call), calls)
      return new Promise<Answer>((resolve, reject) => this.#open.set(seq, { resolve, reject }))
    })
    this.publish(target, Uint8Array.from(calls))
    return answers
  }

  /** Any bytes, with a reply subject that names the newest call. */
  publish(target: string, payload: Uint8Array): void {
    this.connection.publish(`theseus.${this.system}.${target}`, payload, { reply: `${this.#inbox}.${this.#seq}` })
  }

  send(target: string, method: string, ...args: readonly unknown[]): void {
    const send: number[] = []
    write([1, 2, this.label, ++this.#seq, method, args, 5000, 'stranger', this.#incarnation, 'Client', this.label], send)
    this.connection.publish(`theseus.${this.system}.${target}`, Uint8Array.from(send))
  }

  /** Hears of announcements: the version that each tells of. */
  onAnnouncement(listener: (version: number) => void): void {
    this.connection.subscribe(`theseus.${this.system}.upgrades`, {
      callback: (_, { data }) => {
        for (const [, kind, version] of valuesOf(data) as unknown[][]) if (kind === 6) listener(version as number)
      },
    })
  }

  close(): Promise<void> {
    return this.connection.close()
  }

  #arrived(message: Msg): void {
    const named = Number(message.subject.split('.').at(-1))
    if (message.data.length === 0 && message.headers?.code === 503) {
      this.#take(named)?.reject(new StrangerFault('503', 'nobody listens', true))
      return
    }
    for (const [, kind, , seq, value, node, className, version] of valuesOf(message.data) as unknown[][]) {
      const open = this.#take((seq as number) || named)
      if (kind === 4) open?.resolve({ value, node, className, version } as Answer)
      if (kind === 5) open?.reject(new StrangerFault(...(value as ConstructorParameters<typeof StrangerFault>)))
    }
  }

  #take(seq: number): Open | undefined {
    const open = this.#open.get(seq)
    this.#open.delete(seq)
    return open
  }
}

// --- MessagePack

const utf8 = new TextEncoder()
const text = new TextDecoder('utf-8', { fatal: true })

function big(value: number, size: number): number[] {
  return Array.from({ length: size }, (_, i) => Math.floor(value / 256 ** (size - 1 - i)) % 256)
}

/** Not the shortest forms: any form may be sent. */
function write(value: unknown, out: number[]): void {
  if (value === null || value === undefined) out.push(0xc0)
  else if (typeof value === 'boolean') out.push(value ? 0xc3 : 0xc2)
  else if (typeof value === 'number') writeNumber(value, out)
  else if (typeof value === 'string') writeBytes(0xdb, utf8.encode(value), out)
  else if (value instanceof Uint8Array) writeBytes(0xc6, value, out)
  else if (Array.isArray(value)) {
    out.push(0xdd, ...big(value.length, 4))
    for (const item of value) write(item, out)
  } else {
    const entries = Object.entries(value as object)
    out.push(0xdf, ...big(entries.length, 4))
    for (const entry of entries) for (const item of entry) write(item, out)
  }
}

function writeNumber(value: number, out: number[]): void {
  if (Number.isInteger(value) && value >= 0 && value < 2 ** 32) out.push(0xce, ...big(value, 4))
  else out.push(0xcb, ...new Uint8Array(new Float64Array([value]).buffer).reverse())
}

function writeBytes(token: number, bytes: Uint8Array, out: number[]): void {
  out.push(token, ...big(bytes.length, 4))
  for (const byte of bytes) out.push(byte)
}

/** All values of a payload. */
export function valuesOf(payload: Uint8Array): unknown[] {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength)
  let at = 0
  const values: unknown[] = []
  while (at < payload.length) values.push(value())
  return values

  function value(): unknown {
    const token = payload[at++]!
    if (token < 0x80) return token
    if (token >= 0xe0) return token - 0x100
    if (token < 0x90) return record(token & 0x0f)
    if (token < 0xa0) return list(token & 0x0f)
    if (token < 0xc0) return text.decode(bytes(token & 0x1f))
    if (token === 0xc0) return null
    if (token <= 0xc3) return token === 0xc3
    if (token <= 0xc6) return Uint8Array.from(bytes(uint(1 << (token - 0xc4))))
    if (token === 0xca || token === 0xcb) return float(token)
    if (token >= 0xcc && token <= 0xcf) return uint(1 << (token - 0xcc))
    if (token >= 0xd0 && token <= 0xd3) return int(1 << (token - 0xd0))
    if (token >= 0xd9 && token <= 0xdb) return text.decode(bytes(uint(1 << (token - 0xd9))))
    if (token === 0xdc || token === 0xdd) return list(uint(token === 0xdc ? 2 : 4))
    if (token === 0xde || token === 0xdf) return record(uint(token === 0xde ? 2 : 4))
    if (token === 0xd6 || token === 0xd7 || token === 0xc7) return instant(token)
    throw new Error(`byte ${token.toString(16)} is not of the page`)
  }
  function uint(size: number): number {
    let whole = 0
    for (const byte of bytes(size)) whole = whole * 256 + byte
    return whole
  }
  function int(size: number): number {
    const whole = uint(size)
    return whole >= 2 ** (8 * size - 1) ? whole - 2 ** (8 * size) : whole
  }
  function float(token: number): number {
    at += token === 0xca ? 4 : 8
    return token === 0xca ? view.getFloat32(at - 4) : view.getFloat64(at - 8)
  }
  function bytes(length: number): Uint8Array {
    at += length
    if (at > payload.length) throw new Error('the message ends too early')
    return payload.subarray(at - length, at)
  }
  function list(length: number): unknown[] {
    return Array.from({ length }, value)
  }
  function record(length: number): Record<string, unknown> {
    return Object.fromEntries(Array.from({ length }, () => [value(), value()]))
  }
  function instant(token: number): Date {
    const size = token === 0xd6 ? 4 : token === 0xd7 ? 8 : uint(1)
    if (int(1) !== -1) throw new Error('an extension that is not of the page')
    if (size === 4) return new Date(uint(4) * 1000)
    if (size === 12) return new Date(uint(4) / 1e6 + Number(view.getBigInt64((at += 8) - 8)) * 1000)
    const both = view.getBigUint64((at += 8) - 8)
    return new Date(Number(both >> 34n) / 1e6 + Number(both & 0x3ffffffffn) * 1000)
  }
}

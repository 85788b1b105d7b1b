/**
 * The logs of an embedded system's shards in a store, beside its upgrade database: all hosts of the process
 * share them.
 *
 * K3. An entry is written only when all before it are: those that arrive meanwhile are written together, or
 *     not at all.
 */
import { Fault, reasonOf } from '../../core/base/fault.js'
import type { Appended, LogEntry, Position, ShardLog, ShardLogs, Snapshots } from '../../core/ports/log.js'
import type { StateStore, Write } from '../../core/ports/stateStore.js'

const entryBytesMax = 2 ** 20
const sliceBytesMax = 2 ** 17
/** Wide enough for every position and number of a slice. */
const digits = 16

type Store = Pick<StateStore, 'get' | 'range' | 'commit' | 'durability'>

/** The logs that the store has. Each host has a client of its own, which closes what it has opened. */
export class KeptShardLogs {
  readonly #logs = new Map<string, KeptLog>()

  constructor(private readonly store: Store) {}

  client(): ShardLogs {
    const open = new Set<ShardLog>()
    return {
      open: async (service, shard) => {
        const log: ShardLog = await this.#open(service, shard, () => open.delete(log))
        open.add(log)
        return log
      },
      shardsOf: async (service) =>
        [...this.store.range(`shard/${service}/`, `shard/${service}0`)].map(([key]) => Number(key.split('/')[2])),
      close: async () => void (await Promise.all([...open].map((log) => log.close()))),
    }
  }

  async #open(service: string, shard: number, closed: () => void): Promise<ShardLog> {
    const name = `${service}/${padded(shard)}`
    if (this.store.get(`shard/${name}`) === undefined) await this.store.commit([[`shard/${name}`, new Uint8Array([1])]])
    const log = this.#logs.get(name) ?? new KeptLog(this.store, `shard-log/${name}`)
    this.#logs.set(name, log)
    return handle(log, new KeptSnapshots(this.store, name), closed)
  }
}

function handle(log: KeptLog, snapshots: Snapshots, closed: () => void): ShardLog {
  let isClosed = false
  const checkOpen = (): void => {
    if (isClosed) throw closedLog()
  }
  return {
    ...{ durability: log.durability, entryBytesMax, snapshots },
    append: async (bytes, after) => (isClosed ? { kind: 'refused', fault: closedLog() } : log.append(bytes, after)),
    async *read(after) {
      checkOpen()
      for (const entry of log.read(after)) {
        checkOpen()
        yield entry
      }
    },
    ends: async () => {
      checkOpen()
      return log.ends()
    },
    trim: async (upTo) => {
      checkOpen()
      await log.trim(upTo)
    },
    close: async () => {
      isClosed = true
      closed()
      await log.idle()
    },
  }
}

interface Waiting {
  readonly bytes: Uint8Array
  readonly answer: (appended: Appended) => void
}

class KeptLog {
  readonly durability: StateStore['durability']
  #first: Position
  /** The last that counts; and the last that was taken, which may still wait. */
  #last: Position
  #taken: Position
  #waiting: Waiting[] = []
  #running: Promise<void> | undefined

  constructor(
    private readonly store: Store,
    private readonly folder: string,
  ) {
    this.durability = store.durability
    const positions = [...store.range(`${folder}/`, `${folder}0`)].map(([key]) => Number(key.slice(folder.length + 1)))
    this.#first = positions[0] ?? 1
    this.#last = positions.at(-1) ?? 0
    this.#taken = this.#last
  }

  append(bytes: Uint8Array, after: Position): Promise<Appended> {
    if (bytes.length > entryBytesMax)
      return Promise.resolve(refusal(`an entry of ${bytes.length} bytes is larger than the log takes, ${entryBytesMax}`))
    if (after !== this.#taken) return Promise.resolve({ kind: 'conflict' })
    this.#taken++
    return new Promise((answer) => {
      this.#waiting.push({ bytes, answer })
      this.#running ??= this.#run().finally(() => {
        this.#running = undefined
      })
    })
  }

  /** K3. */
  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      const group = this.#waiting.splice(0)
      const writes = group.map(({ bytes }, i): Write => [this.#key(this.#last + 1 + i), bytes])
      try {
        await this.store.commit(writes)
      } catch (error) {
        this.#taken = this.#last
        for (const { answer } of group) answer(refusal(reasonOf(error)))
        // The log does not end where those belong.
        for (const { answer } of this.#waiting.splice(0)) answer({ kind: 'conflict' })
        continue
      }
      this.#last += group.length
      for (const { answer } of group) answer({ kind: 'appended' })
    }
  }

  *read(after: Position): Generator<LogEntry> {
    if (after + 1 < this.#first && after < this.#last)
      throw new Fault('config.log-lost', `the log begins at ${this.#first}: the entries from ${after + 1} on were trimmed`)
    for (const [key, bytes] of this.store.range(this.#key(after + 1), this.#key(this.#last + 1)))
      yield { position: Number(key.slice(this.folder.length + 1)), bytes: new Uint8Array(bytes) }
  }

  ends(): { readonly first: Position; readonly last: Position } {
    return { first: this.#first, last: this.#last }
  }

  /** The last entry always stays. */
  async trim(upTo: Position): Promise<void> {
    const end = Math.min(upTo, this.#last - 1)
    const gone: Write[] = []
    for (let position = this.#first; position <= end; position++) gone.push([this.#key(position), null])
    if (gone.length === 0) return
    this.#first = end + 1
    await this.store.commit(gone)
  }

  async idle(): Promise<void> {
    await this.#running
  }

  #key(position: Position): string {
    return `${this.folder}/${padded(position)}`
  }
}

class KeptSnapshots implements Snapshots {
  readonly sliceBytesMax = sliceBytesMax

  constructor(
    private readonly store: Store,
    private readonly shard: string,
  ) {}

  async write(name: string, slices: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<void> {
    if (this.store.get(this.#whole(name)) !== undefined)
      throw new Fault('config.invalid', `snapshot ${name} is there: use another name`)
    await this.delete(name)
    let count = 0
    for await (const slice of slices) {
      if (slice.length > sliceBytesMax)
        throw new Fault('unavailable.storage', `a slice of ${slice.length} bytes is larger than ${sliceBytesMax}`)
      await this.store.commit([[`${this.#slices(name)}/${padded(count++)}`, new Uint8Array(slice)]])
    }
    // Last: one that was cut short is not there.
    await this.store.commit([[this.#whole(name), new TextEncoder().encode(String(count))]])
  }

  async *read(name: string): AsyncGenerator<Uint8Array> {
    const whole = this.store.get(this.#whole(name))
    if (whole === undefined) throw new Fault('config.log-lost', `snapshot ${name} is not there, or not whole`)
    for (const [, slice] of this.store.range(`${this.#slices(name)}/`, `${this.#slices(name)}0`)) yield new Uint8Array(slice)
  }

  async names(): Promise<readonly string[]> {
    const folder = this.#whole('')
    return [...this.store.range(folder, `${folder.slice(0, -1)}0`)].map(([key]) => key.slice(folder.length))
  }

  async delete(name: string): Promise<void> {
    const slices = [...this.store.range(`${this.#slices(name)}/`, `${this.#slices(name)}0`)].map(([key]): Write => [key, null])
    await this.store.commit([[this.#whole(name), null], ...slices])
  }

  #whole(name: string): string {
    return `shard-snapshot/${this.shard}/${name}`
  }

  #slices(name: string): string {
    return `shard-slice/${this.shard}/${name}`
  }
}

function padded(number: number): string {
  return String(number).padStart(digits, '0')
}

function refusal(why: string): Appended {
  return { kind: 'refused', fault: new Fault('unavailable.storage', why) }
}

function closedLog(): Fault {
  return new Fault('unavailable.storage', 'the log is closed')
}

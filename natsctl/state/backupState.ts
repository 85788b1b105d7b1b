/**
 * `natsctl backup --directory` and `--service`: a copy of state in one file, while its hosts serve. It needs
 * the right to read the directory, or the logs, and asks no host.
 */
import { type HostObserver, isFault } from 'theseus-actors'
import { copyOfDirectory } from 'theseus-actors/lmdb'
import { copyShard, type ShardLogs, type StateWrite } from 'theseus-actors/operator'
import { dryRunField, type OrderFlags } from '../context/orders.js'
import { type ExitCode, exitCodes, Failure } from '../output/exitCodes.js'
import { show } from '../output/forms.js'
import { count, note, print } from '../output/output.js'
import { CopyWriter } from './copyFile.js'
import type { CopiedState, CopyRecord } from './copyFormat.js'
import { withShardLogs } from './shardLogs.js'

export interface StateFlags extends OrderFlags {
  readonly directory?: string
  readonly service?: string
}

/** Writes that go to the file together. */
const bytesMax = 2 ** 20

export async function backUpDirectory(file: string, directory: string, flags: StateFlags): Promise<ExitCode> {
  const copy = await copyOfDirectory(directory).catch(failed)
  try {
    await written(file, { kind: 'directory', directoryId: copy.directoryId }, flags, async (writer) => {
      await writer.append({ kind: 'part', part: 0 })
      for await (const writes of copy.writes) await writer.append({ kind: 'writes', writes })
      await writer.append({ kind: 'whole', number: 0 })
    }).catch(failed)
  } finally {
    await copy.close()
  }
  return exitCodes.done
}

/** Each shard is of one moment, and each of another one: commands reach one node. */
export async function backUpService(file: string, service: string, flags: StateFlags): Promise<ExitCode> {
  await withShardLogs(flags, 1, async (logs, system) => {
    const shards = await logs.shardsOf(service)
    if (shards.length === 0)
      throw new Failure(exitCodes.error, `error: there are no logs of a service "${service}" of system ${system} on this NATS`)
    const of: CopiedState = { kind: 'service', system, service, shards: shards.at(-1)! + 1 }
    await written(file, of, flags, async (writer) => {
      for (const shard of shards) await copyOne(writer, service, shard, logs)
    })
  }).catch(failed)
  return exitCodes.done
}

async function copyOne(writer: CopyWriter, service: string, shard: number, logs: ShardLogs): Promise<void> {
  const log = await logs.open(service, shard)
  const back = writer.mark()
  const pending = new Pending(writer)
  const { number } = await copyShard(
    log,
    `shard ${shard} of ${service}`,
    {
      begin: async () => {
        back()
        pending.forget()
        await writer.append({ kind: 'part', part: shard })
      },
      take: (writes) => pending.take(writes),
    },
    noteWarning,
  )
  await pending.flush()
  await writer.append({ kind: 'whole', number })
  await log.close()
}

/** Commits are small, and records of the file are not. */
class Pending {
  #writes: StateWrite[] = []
  #bytes = 0

  constructor(private readonly writer: CopyWriter) {}

  async take(writes: readonly StateWrite[]): Promise<void> {
    for (const write of writes) {
      this.#writes.push(write)
      this.#bytes += write[0].length + (write[1]?.length ?? 0)
    }
    if (this.#bytes >= bytesMax) await this.flush()
  }

  async flush(): Promise<void> {
    const record: CopyRecord = { kind: 'writes', writes: this.#writes }
    if (this.#writes.length > 0) await this.writer.append(record)
    this.forget()
  }

  forget(): void {
    this.#writes = []
    this.#bytes = 0
  }
}

async function written(
  file: string,
  of: CopiedState,
  flags: StateFlags,
  write: (writer: CopyWriter) => Promise<void>,
): Promise<void> {
  const writer = await CopyWriter.begin(file, { takenAt: Date.now(), of }, flags.dryRun !== true)
  let result: Awaited<ReturnType<CopyWriter['finish']>>
  try {
    await write(writer)
    result = await writer.finish()
  } catch (error) {
    await writer.abandon()
    throw error
  }
  const { bytes, digest } = result
  show(flags.output, {
    table: () => print(`${flags.dryRun === true ? 'would write ' : ''}${file}: ${textOf(of)}, ${bytes} bytes, digest ${digest}`),
    document: () => ({ file, ...of, bytes, digest, ...dryRunField(flags) }),
    names: () => [`backup/${file}`],
  })
}

export function textOf(of: CopiedState): string {
  if (of.kind === 'directory') return `state directory ${of.directoryId}`
  return `${count(of.shards, 'shard')} of service ${of.service} of system ${of.system}`
}

export const noteWarning: HostObserver = (event) => {
  if (event.type === 'warning') note(event.message)
}

export function failed(error: unknown): never {
  if (!isFault(error)) throw error
  throw new Failure(exitCodes.error, `${error.code}: ${error.message}`, { cause: error })
}

/**
 * `natsctl record`: has hosts tell a sample of the calls that they receive, and writes it to a file for
 * `upgrade check --with`. It is an order: signed where orders are, and in the audit. It ends by itself.
 */
import { type Command, InvalidArgumentError, Option } from 'commander'
import type { Operator } from 'theseus-actors'
import { callRecordingBounds, isFieldName, type RecordedBatch } from 'theseus-actors/operator'
import { withSigningOperator } from '../context/connection.js'
import { durationFlag, nameFlag } from '../context/flags.js'
import { asOrder, dryRunField, type OrderFlags } from '../context/orders.js'
import { type KeyFlags, keyFlag } from '../context/upgraderSeed.js'
import { writeAtomically } from '../output/atomicFile.js'
import { requireConfirmation } from '../output/confirm.js'
import { type ExitCode, exitCodes, Failure } from '../output/exitCodes.js'
import { show } from '../output/forms.js'
import { Interruption } from '../output/interruption.js'
import { count, note, oneLine, print } from '../output/output.js'
import type { Program } from '../output/program.js'
import { encodeRecordedCalls, type RecordedCall } from './recordedCalls.js'

interface RecordFlags extends OrderFlags, KeyFlags {
  readonly service?: readonly string[]
  readonly for: number
  readonly calls: number
  readonly bytes: number
  readonly oneIn: number
  readonly mask?: readonly string[]
  readonly yes?: true
}

/** Reports that are on their way when the time is over still arrive. */
const graceMs = 2_000
/** Hosts say that they are there well within that time. */
const answeredWithinMs = 2_000
const { callsMax, bytesMax, oneInMax, forMsMax } = callRecordingBounds

export function addRecord(program: Program): void {
  const record = program.command
    .command('record')
    .description('write a sample of the calls that services receive to a file, for "upgrade check --with"')
    .argument('<file>', 'where it goes')
    .addOption(new Option('--service <names...>', 'the services (default: all)').argParser(listed(nameFlag)))
    .addOption(new Option('--for <duration>', 'how long, at most 1h').argParser(forFlag).default(60_000, '60s'))
    .addOption(new Option('--calls <number>', 'calls of each host, and of all').argParser(upTo(callsMax)).default(10_000))
    .addOption(new Option('--bytes <number>', 'bytes of each host, and of all').argParser(upTo(bytesMax)).default(16_777_216))
    .addOption(new Option('--one-in <number>', 'one node in so many, with all its calls').argParser(upTo(oneInMax)).default(1))
    .addOption(
      new Option('--mask <fields...>', 'fields, arguments (put/2) and answers (get/answer) to mask').argParser(listed(fieldFlag)),
    )
    .option('--yes', 'ask nothing')
    .option(...keyFlag)
    .action(program.action((file: string, _: unknown, command: Command) => recordCalls(file, command.optsWithGlobals())))
  asOrder(record)
}

function recordCalls(file: string, flags: RecordFlags): Promise<ExitCode> {
  return withSigningOperator(flags, async (operator, system) => {
    const { service, mask = [], dryRun } = flags
    const of = service === undefined ? 'all services' : service.join(', ')
    const what = `arguments and answers of calls to ${of} of system ${system}, for ${flags.for / 1_000} s`
    if (dryRun === true) {
      show(flags.output, { table: () => print(`would record ${what}, in ${file}`), document: () => ({ file, system, dryRun }) })
      return exitCodes.done
    }
    const ended = await requireConfirmation(flags, {
      does: `records ${what}`,
      question: `Record ${what}?`,
      refused: 'nothing was recorded',
    })
    if (ended !== undefined) return ended
    const heard = new HeardCalls(flags)
    await untilItEnds(operator, flags, heard)
    heard.check()
    const { calls, lost } = heard
    await writeAtomically(file, encodeRecordedCalls({ system, takenAt: Date.now(), masked: mask, calls, lost }), 0o600)
    const nodes = new Set(calls.map(({ node }) => node)).size
    show(flags.output, {
      table: () => {
        const without = lost === 0 ? '' : `; ${lost} were lost`
        print(`${file}: ${count(calls.length, 'call')} of ${count(nodes, 'node')} on ${count(heard.hosts, 'host')}${without}`)
        for (const [host, why] of heard.refused) print(oneLine(`${host} records nothing: ${why}`))
      },
      document: () => ({
        ...{ file, system, calls: calls.length, nodes, hosts: heard.hosts, lost, refused: Object.fromEntries(heard.refused) },
        ...dryRunField(flags),
      }),
      names: () => [`recording/${file}`],
    })
    return exitCodes.done
  })
}

async function untilItEnds(operator: Operator, flags: RecordFlags, heard: HeardCalls): Promise<void> {
  const interruption = new Interruption()
  const { service, oneIn, mask = [] } = flags
  const sample = {
    services: service ?? null,
    forMs: flags.for,
    callsMax: flags.calls,
    bytesMax: flags.bytes,
    oneIn,
    masked: mask,
  }
  const timers: NodeJS.Timeout[] = []
  const after = (ms: number) => new Promise<void>((resolve) => void timers.push(setTimeout(resolve, ms)))
  const end = await operator
    .recordCalls(sample, (batch) => heard.hear(batch), flags.reason)
    .catch((error: unknown) => {
      interruption.close()
      throw error
    })
  note(`recording for ${flags.for / 1_000} s; Ctrl-C ends it earlier, and writes what there is`)
  const nobody = after(answeredWithinMs).then(() => (heard.hosts > 0 ? new Promise<never>(() => {}) : undefined))
  await Promise.race([interruption.asked, heard.whole, nobody, after(flags.for + graceMs)])
  end()
  interruption.close()
  for (const timer of timers) clearTimeout(timer)
}

/** The reports of all hosts, put together within the bounds of the order. */
class HeardCalls {
  /** Resolves when there is as much as was asked for, or every host that was heard has ended. */
  readonly whole: Promise<void>
  readonly #isWhole: () => void
  readonly #calls: RecordedCall[] = []
  readonly #hosts = new Map<string, 'records' | 'ended'>()
  readonly refused = new Map<string, string>()
  #bytes = 0
  lost = 0

  constructor(private readonly flags: Pick<RecordFlags, 'calls' | 'bytes'>) {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.whole = promise
    this.#isWhole = resolve
  }

  get hosts(): number {
    return this.#hosts.size
  }

  /** In the order in which they began, as far as the clocks of hosts agree; of one host for certain. */
  get calls(): readonly RecordedCall[] {
    return this.#calls.toSorted((a, b) => a.at - b.at || (a.host < b.host ? -1 : a.host > b.host ? 1 : a.number - b.number))
  }

  hear({ hostId, recorded }: RecordedBatch): void {
    if (recorded?.ended === 'refused') this.refused.set(hostId, recorded.reason ?? 'no reason')
    else this.#hosts.set(hostId, recorded?.ended == null ? (this.#hosts.get(hostId) ?? 'records') : 'ended')
    this.lost += recorded?.lost ?? 0
    for (const { end, value, nodeId, ...call } of recorded?.calls ?? []) {
      const ended =
        end === 'answer'
          ? ({ is: end, value } as const)
          : end === 'fault'
            ? ({ is: end, code: String(value) } as const)
            : ({ is: end } as const)
      const made: RecordedCall = { node: nodeId, host: hostId, ...call, end: ended }
      const bytes = encodedLength(made)
      if (this.#calls.length >= this.flags.calls || this.#bytes + bytes > this.flags.bytes) {
        this.#isWhole()
        return
      }
      this.#bytes += bytes
      this.#calls.push(made)
    }
    const hasEnded = this.#hosts.size > 0 && [...this.#hosts.values()].every((each) => each === 'ended')
    if (hasEnded || this.#calls.length >= this.flags.calls) this.#isWhole()
  }

  /** Throws where no host records. */
  check(): void {
    if (this.#hosts.size > 0) return
    const [refused] = this.refused
    const why =
      refused === undefined
        ? 'no host answered: hosts of older releases record nothing, and this login needs the rights to look'
        : `${count(this.refused.size, 'host')} refused; ${refused[0]}: ${refused[1]}`
    throw new Failure(exitCodes.error, oneLine(`error: nothing was recorded: ${why}`))
  }
}

function encodedLength(call: RecordedCall): number {
  return JSON.stringify([call.args, call.end])?.length ?? 0
}

function listed<T>(one: (text: string) => T): (text: string, before?: readonly T[]) => readonly T[] {
  return (text, before = []) => [...before, one(text)]
}

function fieldFlag(text: string): string {
  if (isFieldName(text)) return text
  throw new InvalidArgumentError('Use the name of a field, an argument as put/2, or an answer as get/answer.')
}

function forFlag(text: string): number {
  const ms = durationFlag(text)
  if (ms <= forMsMax) return ms
  throw new InvalidArgumentError(`Use at most ${forMsMax / 60_000}m.`)
}

function upTo(most: number): (text: string) => number {
  return (text) => {
    const number = /^\d+$/.test(text) ? Number(text) : Number.NaN
    if (number >= 1 && number <= most) return number
    throw new InvalidArgumentError(`Use a whole number from 1 to ${most}.`)
  }
}

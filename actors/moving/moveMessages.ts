/**
 * The questions of a move's source to its target (core/model/nodeMove.ts), and the answers. Each question is
 * a call, on a subject on which hosts alone publish. Each may be asked again: it is decided once.
 */
import { Fault } from '../../core/base/fault.js'
import { formats, isRead, numbersRead } from '../../core/base/formats.js'
import { isName } from '../../core/base/ids.js'
import { moveFormat, type Verdict } from '../../core/model/nodeMove.js'
import type { Clock } from '../../core/ports/clock.js'
import type { Write } from '../../core/ports/stateStore.js'
import type { CallTable } from '../calls/callTable.js'

/** A departure, as its source tells of it. */
export interface Mover {
  readonly service: string
  readonly nodeId: string
  readonly number: number
}

/** Whether a node may come. `target`: the identity of the store. */
export type MayCome = { readonly target: string } | { readonly waits: string }

/** `missing`: not all parts are there. `later`: nothing is decided now. */
export type Taken = Verdict | 'missing' | 'later'

export interface LastPart {
  /** Of the parts before it. */
  readonly parts: number
  /** Of all parts, with this one. */
  readonly digest: string
  readonly from: string
  readonly target: string
  readonly writes: readonly Write[]
}

export type MoveQuestion =
  | { readonly method: 'mayCome'; readonly mover: Mover; readonly bytes: number }
  | { readonly method: 'part'; readonly mover: Mover; readonly index: number; readonly writes: readonly Write[] }
  | { readonly method: 'take'; readonly mover: Mover; readonly last: LastPart }
  | { readonly method: 'refuse'; readonly mover: Mover; readonly from: string; readonly target: string }

export interface AskingServices {
  readonly calls: CallTable
  readonly clock: Clock
  readonly settings: { readonly hostId: string }
}

/** An answer is waited for so long; then it is asked again. */
const answerMs = 3_000

export class MoveTarget {
  constructor(
    private readonly services: AskingServices,
    private readonly subject: string,
    private readonly mover: Mover,
  ) {}

  async mayCome(bytes: number): Promise<MayCome> {
    return (await this.#ask('mayCome', [bytes])) as MayCome
  }

  async part(index: number, writes: readonly Write[]): Promise<void> {
    await this.#ask('part', [index, writes.flat()])
  }

  async take({ parts, digest, from, target, writes }: LastPart): Promise<Taken> {
    return (await this.#ask('take', [parts, digest, from, target, writes.flat()])) as Taken
  }

  async refuse(from: string, target: string): Promise<Taken> {
    return (await this.#ask('refuse', [from, target])) as Taken
  }

  #ask(method: MoveQuestion['method'], args: readonly unknown[]): Promise<unknown> {
    const { calls, clock, settings } = this.services
    const { service, nodeId, number } = this.mover
    return calls.call(
      { nodeId: settings.hostId, incarnation: calls.incarnation, className: 'Host', version: 0 },
      {
        ...{ subject: this.subject, label: 0, method, kind: 'command' },
        args: [moveFormat, service, nodeId, number, ...args],
        deadline: clock.monotonicMs() + answerMs,
        ...{ expects: null, path: null, service: null, trace: null },
      },
    )
  }
}

/** Throws `protocol.bad-arguments` for anything that `MoveTarget` does not ask. */
export function questionIn(method: string, args: readonly unknown[]): MoveQuestion {
  const [format, service, nodeId, number, ...rest] = args
  if (!isRead(formats.move, format)) throw wrong(`format ${String(format)}, and this host reads ${numbersRead(formats.move)}`)
  if (!isName(service) || !isName(nodeId) || !isCount(number)) throw wrong('nobody can tell of which node it is')
  const mover = { service, nodeId, number }
  switch (method) {
    case 'mayCome': {
      const [bytes] = rest
      if (isCount(bytes)) return { method, mover, bytes }
      break
    }
    case 'part': {
      const [index, flat] = rest
      if (isCount(index)) return { method, mover, index, writes: writesOf(flat) }
      break
    }
    case 'take': {
      const [parts, digest, from, target, flat] = rest
      if (isCount(parts) && typeof digest === 'string' && typeof from === 'string' && typeof target === 'string')
        return { method, mover, last: { parts, digest, from, target, writes: writesOf(flat) } }
      break
    }
    case 'refuse': {
      const [from, target] = rest
      if (typeof from === 'string' && typeof target === 'string') return { method, mover, from, target }
      break
    }
    default:
      throw wrong(`there is no question ${method}`)
  }
  throw wrong(`it asks ${method} without all that belongs to it`)
}

function writesOf(flat: unknown): readonly Write[] {
  if (!Array.isArray(flat) || flat.length % 2 !== 0) throw wrong('its writes are no pairs')
  const writes: Write[] = []
  for (let i = 0; i < flat.length; i += 2) {
    const [key, value] = [flat[i] as unknown, flat[i + 1] as unknown]
    if (typeof key !== 'string' || !(value instanceof Uint8Array)) throw wrong('a write is no key with bytes')
    writes.push([key, value])
  }
  return writes
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function wrong(what: string): Fault {
  return new Fault('protocol.bad-arguments', `this is no question of a move: ${what}`)
}

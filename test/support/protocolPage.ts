/** The contents of docs/protocol.md, for the tests that hold the page and the code against each other. */
import { readFileSync } from 'node:fs'
import { Fault, type FaultCode } from '../../core/base/fault.js'
import { decode, encodeAnnouncement, encodeCall, encodeFault, encodeReply } from '../../core/wire/codec.js'
import { type CallEnvelope, type Envelope, kinds } from '../../core/wire/envelope.js'
import { traceContext, traceparentIn, tracestateIn } from '../../core/wire/traceContext.js'

export const page = readFileSync(new URL('../../../docs/protocol.md', import.meta.url), 'utf8')

/** An envelope as the page writes it down. */
export type PageEnvelope = Record<string, unknown> & { readonly kind: keyof typeof kinds }

export interface Vector {
  readonly title: string
  readonly envelopes: readonly PageEnvelope[]
  readonly bytes: Uint8Array
}

/** The text below a heading, down to the next one of its level or above. */
export function section(heading: string): string {
  const found = new RegExp(`^(#+) ${heading}$`, 'm').exec(page)
  if (found === null) throw new Error(`docs/protocol.md has no heading "${heading}"`)
  const rest = page.slice(found.index + found[0].length)
  const next = new RegExp(`^#{1,${found[1]!.length}} `, 'm').exec(rest)
  return next === null ? rest : rest.slice(0, next.index)
}

/**
 * The cells of the table in a section, without its head; of several tables the one with this first column.
 */
export function table(heading: string, firstColumn: string): readonly (readonly string[])[] {
  const lines = section(heading).split('\n')
  const head = lines.findIndex((line) => line.startsWith(`| ${firstColumn} |`))
  if (head < 0) throw new Error(`"${heading}" in docs/protocol.md has no table with the column "${firstColumn}"`)
  const rows: string[][] = []
  for (let i = head + 2; lines[i]?.startsWith('|'); i++) {
    rows.push(
      lines[i]!.slice(1, -1)
        .split('|')
        .map((cell) => cell.trim()),
    )
  }
  return rows
}

/** The envelopes and bytes in a section: a json block, and the hex block after it. */
export function vectors(heading: string): readonly Vector[] {
  const text = section(heading)
  const found: Vector[] = []
  for (const block of text.matchAll(/```json\n([\s\S]*?)```\s*```hex\n([\s\S]*?)```/g)) {
    const title = [...text.slice(0, block.index).matchAll(/^#+ (.*)$/gm)].at(-1)?.[1] ?? `${heading}, ${found.length + 1}`
    found.push({ title, envelopes: [revived(JSON.parse(block[1]!))].flat() as PageEnvelope[], bytes: bytesOf(block[2]!) })
  }
  return found
}

export function bytesOf(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(hex.replace(/#.*$/gm, '').replace(/\s+/g, ''), 'hex'))
}

function revived(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(revived)
  if (typeof value !== 'object' || value === null) return value
  const { $bin, $time } = value as { $bin?: string; $time?: string }
  if ($bin !== undefined) return bytesOf($bin)
  if ($time !== undefined) return new Date($time)
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, revived(item)]))
}

/** The bytes that Theseus sends for envelopes of the page. */
export function encoded(envelopes: readonly PageEnvelope[]): Uint8Array {
  return new Uint8Array(Buffer.concat(envelopes.map(encodedOne)))
}

function encodedOne(envelope: PageEnvelope): Uint8Array {
  const { label, seq, node, className, version, value, hops, none, code, message, retryable, details, digest } =
    envelope as Record<string, any>
  switch (envelope.kind) {
    case 'call':
    case 'send':
    case 'event':
      return encodeCall({
        ...({ together: false, ...envelope } as unknown as CallEnvelope),
        kind: kinds[envelope.kind],
        trace: traceContext(
          (envelope.trace as string | null | undefined) ?? null,
          (envelope.tracestate as string | undefined) ?? null,
        ),
      })
    case 'reply':
      return encodeReply(label, seq, none === true ? undefined : value, { node, className, version }, hops)
    case 'fault':
      return encodeFault(label, seq, new Fault(code as FaultCode, message, details, { retryable }), { node, className, version })
    case 'announcement':
      return encodeAnnouncement(version, digest)
  }
}

/** The envelopes that Theseus reads from bytes, written as the page writes them. */
export function decoded(bytes: Uint8Array): readonly PageEnvelope[] {
  return decode(bytes).map(onPage)
}

const nameOfKind = Object.fromEntries(Object.entries(kinds).map(([name, number]) => [number, name])) as Record<
  number,
  keyof typeof kinds
>

function onPage(envelope: Envelope): PageEnvelope {
  const kind = nameOfKind[envelope.kind]!
  switch (envelope.kind) {
    case kinds.call:
    case kinds.send:
    case kinds.event: {
      const { together, trace, ...others } = envelope
      const tracestate = trace === null ? null : tracestateIn(trace)
      const traceparent = trace === null ? null : traceparentIn(trace)
      const call = { ...others, trace: traceparent, kind, ...(together ? { together } : {}) }
      return tracestate === null ? call : { ...call, tracestate }
    }
    case kinds.announcement:
      return { ...envelope, kind }
    case kinds.reply: {
      const { label, seq, value, replier, hops } = envelope
      return value === undefined
        ? { kind, label, seq, value: null, ...replier, hops, none: true }
        : { kind, label, seq, value, ...replier, hops }
    }
    case kinds.fault: {
      const { label, seq, replier } = envelope
      const { code, message, retryable, details } = envelope.fault
      return { kind, label, seq, code, message, retryable, details, ...replier }
    }
  }
}

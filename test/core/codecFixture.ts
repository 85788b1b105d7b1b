import type { ExecutionContext } from 'ava'
import { type Options, Packr } from 'msgpackr'
import { type Fault, isFault } from '../../core/base/fault.js'
import { decode } from '../../core/wire/codec.js'
import { type CallEnvelope, kinds } from '../../core/wire/envelope.js'
import { bytesOf, vectors } from '../support/protocolPage.js'

export const onPage = ['One call, whole', 'Test vectors', 'Also accepted'].flatMap((heading) => vectors(heading))
export const one = vectors('One call, whole')[0]!
export const call = { ...one.envelopes[0], kind: kinds.call, together: false } as unknown as CallEnvelope
export const replier = { node: 'p1', className: 'Pages.v1', version: 0 }

export const raw = new Packr({ useRecords: false, variableMapSize: true, int64AsType: 'auto' } as unknown as Options)
/** Any value as a message. */
export const packed = (value: unknown): Uint8Array => new Uint8Array(raw.pack(value))

export const beforeArgs = bytesOf('9e 01 01 00 01 a3676574')
export const afterArgs = bytesOf('cd07d0 a8737472616e676572 07 a6436c69656e74 00 c0 c0 c0')

/** The page's one call with these bytes as its arguments. */
export function callWith(args: string): Uint8Array {
  return new Uint8Array(Buffer.concat([beforeArgs, bytesOf(args), afterArgs]))
}

/** The fault that bytes are refused with, as a message or as its one envelope; nothing else may be thrown. */
export function refusal(t: ExecutionContext, bytes: Uint8Array, what = Buffer.from(bytes).toString('hex')): Fault {
  const thrown = t.throws(() => whole(bytes), { any: true }, `${what} is accepted`)
  t.true(isFault(thrown), `${what}: throws ${thrown}`)
  t.is((thrown as Fault).kind, 'protocol', what)
  return thrown as Fault
}

function whole(bytes: Uint8Array): void {
  const [first] = decode(bytes)
  if (first !== undefined && 'refusal' in first) throw first.refusal
  if (first !== undefined && 'fault' in first && first.fault.code === 'protocol.bad-arguments') throw first.fault
}

export const everArgs = [
  ...Array.from({ length: 64 }, (_, i) => 0x40 + i),
  { a: 1, b: 2, ключ: 'значение', 鍵: '値', é: '', ['a long key '.repeat(9)]: 'x'.repeat(300) },
  'ASCII of more than sixteen letters',
  'ä'.repeat(40),
]
export const everBytes = packed([1, kinds.call, 0, 1, 'get', everArgs, 2000, 'stranger', 7, 'Client', 0, null, null, null])

/**
 * A normal message reads as before: the integers that are record ids to msgpackr, keys and text
 * of every kind.
 */
export function readsAsEver(t: ExecutionContext): void {
  t.deepEqual(decode(everBytes), [{ ...call, args: everArgs }])
  t.deepEqual(decode(one.bytes), [call])
}

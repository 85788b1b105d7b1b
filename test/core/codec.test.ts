/**
 * The bytes that may arrive. From any bytes, `decode` gives envelopes or throws one fault of the kind
 * `protocol`, soon, and keeps nothing of them for the next message.
 */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import test, { type ExecutionContext } from 'ava'
import fc from 'fast-check'
import { isFault } from '../../core/base/fault.js'
import { versionMax } from '../../core/base/ids.js'
import { decode } from '../../core/wire/codec.js'
import { type CallEnvelope, deadlineMsMax, kinds, methodBytesMax, pathCallsMax } from '../../core/wire/envelope.js'
import { nestingMax } from '../../core/wire/plain.js'
import { bytesOf, encoded, vectors } from '../support/protocolPage.js'
import {
  afterArgs,
  beforeArgs,
  call,
  callWith,
  everBytes,
  one,
  onPage,
  packed,
  raw,
  readsAsEver,
  refusal,
} from './codecFixture.js'

// --- Truncated, and of the wrong type

for (const { title, envelopes, bytes } of onPage) {
  test(`no beginning of a message is read as anything but whole envelopes: ${title}`, (t) => {
    const wholes = envelopes.slice(0, -1).map((_, i) => encoded(envelopes.slice(0, i + 1)).length)
    for (let length = 0; length < bytes.length; length++) {
      if (wholes.includes(length)) t.is(decode(bytes.slice(0, length)).length, wholes.indexOf(length) + 1)
      else t.is(refusal(t, bytes.slice(0, length)).code, 'protocol.bad-envelope')
    }
    readsAsEver(t)
  })
}

test('what follows the last envelope must be an envelope too', (t) => {
  for (const rest of ['c0', '00', '90', '9101', 'a161', '80', 'c1']) {
    refusal(t, new Uint8Array(Buffer.concat([one.bytes, bytesOf(rest)])), `a call and then ${rest}`)
  }
})

/** One value of each type, and the numbers at the edges. */
const samples: readonly unknown[] = [
  ...[null, true, false, '', 'text', 'a.b', [], [1], ['a'], {}, { a: 1 }, new Uint8Array(2), new Date(0)],
  ...[
    0,
    1,
    2,
    -1,
    0.5,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    versionMax,
    versionMax + 1,
    Number.MAX_SAFE_INTEGER,
    2 ** 53,
    2 ** 64,
  ],
]
const isUint = (value: unknown) => Number.isSafeInteger(value) && (value as number) >= 0
const isVersion = (value: unknown) => isUint(value) && (value as number) <= versionMax
const isText = (value: unknown) => typeof value === 'string'
const isName = (value: unknown) => isText(value) && /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/.test(value as string)
const isClassName = (value: unknown) => isText(value) && /^[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)*$/.test(value as string)
const isTextOrNil = (value: unknown) => value === null || isText(value)
const isList = Array.isArray
const anything = () => true
/** Only a hint to people: of another type it is taken for not given. */
const hint = anything

type Field = (value: unknown) => boolean
const isPath: Field = (value) => value === null || (isList(value) && value.every(isText))
const isFormat: Field = (value) => value === 1 || value === 2
/** A call of format 2 has an origin, which this one lacks. */
const isFirst: Field = (value) => value === 1
const callFields: readonly Field[] = [
  ...[isFirst, isUint, isVersion, isUint, isText, isList, isUint, isName, isUint, isClassName, isVersion],
  ...[isTextOrNil, isPath, isTextOrNil],
]
const fields: Record<keyof typeof kinds, readonly Field[]> = {
  call: callFields,
  send: callFields,
  event: callFields,
  reply: [isFormat, isUint, isVersion, isUint, anything, isName, isClassName, isVersion, hint, hint],
  fault: [isUint, isUint, isVersion, isUint, () => false, isName, isClassName, isVersion],
  announcement: [isFormat, isUint, isVersion, hint],
}

for (const [kind, allowed] of Object.entries(fields)) {
  const whole: unknown[] = raw.unpack(vectors('Test vectors').find(({ envelopes }) => envelopes[0]!.kind === kind)!.bytes)

  test(`a field of the wrong type is refused, whichever it is: ${kind}`, (t) => {
    t.is(whole.length, allowed.length)
    for (const [i, isAllowed] of allowed.entries()) {
      if (i === 1) continue
      for (const sample of samples) {
        const bytes = packed(whole.with(i, sample))
        const what = `${kind}, field ${i}: ${JSON.stringify(sample)}`
        if (isAllowed(sample)) t.notThrows(() => decode(bytes), what)
        else t.is(refusal(t, bytes, what).code, i === 0 && sample !== 2 ? 'protocol.format' : 'protocol.bad-envelope', what)
      }
    }
    readsAsEver(t)
  })

  test(`of an envelope that ends too early, only fields that may be left out may be missing: ${kind}`, (t) => {
    const leftOut = { call: 3, send: 3, event: 3, reply: 2, fault: 0, announcement: 1 }[kind]!
    for (let length = 0; length < whole.length; length++) {
      const bytes = packed(whole.slice(0, length))
      if (length >= whole.length - leftOut) t.notThrows(() => decode(bytes), `${length} fields`)
      else refusal(t, bytes, `${length} fields`)
    }
  })

  test(`fields that nobody knows yet are ignored: ${kind}`, (t) => {
    const more = packed([...whole, { later: true }, 'x', null, 3])
    t.deepEqual(decode(more), decode(packed(whole)))
  })
}

test('a kind that nobody knows is refused, whatever its type', (t) => {
  for (const kind of [0, 7, 255, -1, 1.5, null, true, '1', [], [1], {}, new Uint8Array(1)]) {
    t.is(refusal(t, packed([1, kind, 0, 1]), `kind ${JSON.stringify(kind)}`).code, 'protocol.bad-envelope')
  }
})

test('a fault that is not a list of code, message, retryable and details is refused', (t) => {
  for (const wrong of [[], ['nodot', 'm', true, {}], [1, 'm', true, {}], [null], [['a.b']], { 0: 'a.b' }, 'a.b']) {
    t.is(refusal(t, packed([1, kinds.fault, 0, 1, wrong, 'p1', 'Pages.v1', 0])).code, 'protocol.bad-envelope')
  }
})

// String() of a record with its own toString throws a TypeError, which is no fault.
for (const [what, value] of [
  ['the format', [{ toString: 1 }, 1]],
  ['the kind', [1, { toString: 1 }]],
  ['the message of a fault', [1, kinds.fault, 0, 1, ['a.b', { toString: 1 }, false, {}], 'p1', 'Pages.v1', 0]],
] as const) {
  test(`a record where ${what} should be is refused with a fault, even if it can’t be made into text`, (t) => {
    refusal(t, packed(value))
  })
}

// --- Bounds

test('a method, a path and the nesting of arguments may be as long and as deep as their bounds, and no longer', (t) => {
  const nested = (levels: number) => Array.from({ length: levels }).reduce((inner: unknown) => [inner], 1)
  const ofCall = (change: Partial<CallEnvelope>) => {
    const { kind, label, seq, method, args, deadlineMs, caller, incarnation, callerClass, callerVersion, expects, path, trace } =
      { ...call, ...change }
    return packed([
      1,
      kind,
      label,
      seq,
      method,
      args,
      deadlineMs,
      caller,
      incarnation,
      callerClass,
      callerVersion,
      expects,
      path,
      trace,
    ])
  }
  t.notThrows(() => decode(ofCall({ method: 'm'.repeat(methodBytesMax) })))
  refusal(t, ofCall({ method: 'm'.repeat(methodBytesMax + 1) }), 'a method too long')
  t.notThrows(() => decode(ofCall({ path: Array(pathCallsMax).fill('a/1/1') })))
  refusal(t, ofCall({ path: Array(pathCallsMax + 1).fill('a/1/1') }), 'a path too long')
  t.notThrows(() => decode(ofCall({ args: nested(nestingMax) as unknown[] })))
  t.is(refusal(t, ofCall({ args: nested(nestingMax + 1) as unknown[] }), 'arguments too deep').code, 'protocol.bad-arguments')
  t.is(decode(ofCall({ deadlineMs: deadlineMsMax + 1 }))[0]!.kind === kinds.call && deadlineMsMax, deadlineMsMax)
  readsAsEver(t)
})

test('nesting without end is refused, in lists and in records, in arguments and elsewhere', (t) => {
  for (const levels of [200, 20_000, 1_000_000]) {
    const lists = Buffer.alloc(levels, 0x91)
    const records = Buffer.from('81a161'.repeat(levels), 'hex')
    for (const deep of [lists, records]) {
      refusal(t, new Uint8Array(deep), 'nothing but nesting')
      refusal(t, new Uint8Array(Buffer.concat([beforeArgs, deep, Buffer.of(0x01), afterArgs])), 'as arguments')
      refusal(t, new Uint8Array(Buffer.concat([Buffer.of(0x92), deep, Buffer.of(0x01, 0x01)])), 'as a format')
    }
  }
  readsAsEver(t)
})

test('a header that promises more than the message holds is refused before anything is allocated for it', (t) => {
  for (const header of ['dd ffffffff', 'df ffffffff', 'db ffffffff', 'c6 ffffffff', 'c9 ffffffff ff', 'dc ffff', 'de ffff']) {
    refusal(t, bytesOf(header), header)
    refusal(t, callWith(`91 ${header}`), `${header} in the arguments`)
  }
  const bombs = Buffer.from(`dd0000fff0${'dc8000'.repeat(20_000)}`, 'hex')
  refusal(t, new Uint8Array(bombs), 'lists of lists of lists')
  readsAsEver(t)
})

// --- Readable, but not to be carried out

/** Arguments that are MessagePack as any other, and no plain data. */
const odd: Record<string, string> = {
  'an integer beyond 2⁵³': '91 cf 0020000000000001',
  'a key __proto__': '91 81 a9 5f5f70726f746f5f5f 01',
  'more levels than data may have': `${'91'.repeat(nestingMax)} 91 01`,
  'more nanoseconds than a second has': '91 d7 ff ee6b280000000000',
  'an instant beyond those of JavaScript': '91 c70c ff 00000000 7fffffffffffffff',
}

for (const [what, hex] of Object.entries(odd)) {
  test(`${what} in the arguments of a call refuses that call, and leaves the others of its message alone`, (t) => {
    const good = callWith('91 01')
    const read = decode(new Uint8Array(Buffer.concat([good, callWith(hex), good])))
    t.deepEqual(
      read.map((envelope) => 'refusal' in envelope && envelope.refusal?.code),
      [false, 'protocol.bad-arguments', false],
    )
    t.deepEqual(read[1], { ...call, origin: null, args: [], refusal: refusal(t, callWith(hex)) })
    t.deepEqual([read[0], read[2]], [...decode(good), ...decode(good)])
  })

  test(`${what} in a result ends its call alone`, (t) => {
    const good = '99 01 04 00 01 01 a2 7031 a1 43 00 00'
    const [first, second, third] = decode(
      bytesOf(`${good} 99 01 04 00 02 ${hex.replace(/^91/, '91')} a2 7031 a1 43 00 00 ${good}`),
    )
    t.deepEqual(first, third)
    t.is(first!.kind, kinds.reply)
    t.true(second!.kind === kinds.fault && second!.seq === 2 && second!.fault.code === 'protocol.bad-arguments')
  })
}

test('an instant is the millisecond that has begun, before 1970 as after it', (t) => {
  const read = (hex: string) => {
    const [only] = decode(callWith(`91 ${hex}`))
    return only!.kind === kinds.call ? (only!.args[0] as Date).getTime() : undefined
  }
  const last = '3b9ac9ff'
  t.is(read(`c70c ff ${last} 0000000000000000`), 999)
  t.is(read(`c70c ff ${last} ffffffffffffffff`), -1)
  t.is(read('c70c ff 00000001 ffffffffffffffff'), -1000)
  t.is(read('c70c ff 00000000 ffffffffffffffff'), -1000)
  t.is(read('d7 ff ee6b27fc 00000000'), 999)
  t.is(read('d7 ff 00000007 ffffffff'), 17_179_869_183_000)
  t.is(read('d6 ff ffffffff'), 4_294_967_295_000)
})

// --- More than MessagePack

/** Bytes that msgpackr's decoder knows, and no other: as an argument. */
const refusedExtensions: Record<string, string> = {
  'a set (ext 73)': 'd473 00 91 01',
  'an error (ext 65)': 'd465 00 92 a5 4572726f72 a1 61',
  'a regular expression (ext 78)': 'd478 00 92 a1 61 a0',
  'a big integer (ext 42)': 'd442 05',
  'an array buffer (ext 74)': 'c703 74 10 05 06',
  'a typed array of 16 bits (ext 74)': 'c703 74 03 05 06',
  'the byte c1': 'c1',
  'a list that contains itself (ext 69, 70)': 'd669 00000001 91 d670 00000001',
  'a reference to nothing (ext 70)': 'd670 00000009',
  'a bundle that ends nowhere (ext 62)': 'd662 7fffffff 05',
  'extension 1': 'd401 00',
  'extension −2': 'd4fe 00',
  'an unsigned integer beyond 2⁵³': 'cf 0020000000000001',
  'a signed integer below −2⁵³': 'd3 ffdfffffffffffff',
  'a record with a list as its key': '81 90 01',
  'a record with a record as its key': '81 80 01',
}

for (const [what, hex] of Object.entries(refusedExtensions)) {
  test(`${what} is refused, as an argument, inside of one, and as a result`, (t) => {
    for (const bytes of [
      callWith(`91 ${hex}`),
      callWith(`91 81 a161 92 01 ${hex}`),
      bytesOf(`99 01 04 00 01 ${hex} a2 7031 a1 43 00 00`),
    ]) {
      refusal(t, bytes)
      readsAsEver(t)
    }
  })
}

// Left alone, msgpackr's own extensions pass where they give plain data.
const acceptedExtensions: Record<string, string> = {
  'a record definition (ext 72)': 'd472 40 91 a161 05',
  'a record definition of two bytes (ext 72)': 'd572 40 00 91 a161 05',
  'the other undefined (ext 00)': 'd400 00',
  'bytes in disguise (ext 74)': 'c703 74 01 05 06',
  'a reference (ext 69, 70)': '92 d669 00000001 91 05 d670 00000001',
  'an error that is a list (ext 65)': 'd465 00 92 ab 636f6e7374727563746f72 91 05',
  'a timestamp of one byte': 'd4ff 05',
  'a timestamp of no bytes': 'c700 ff',
  'a timestamp of 5 bytes': 'c705 ff 0000000000',
  'a big integer as a key (ext 42)': '81 d442 05 01',
  'a number as a key': '81 05 01',
  'nil as a key': '81 c0 01',
}

for (const [what, hex] of Object.entries(acceptedExtensions)) {
  test(`${what} is refused, though msgpackr would take it`, (t) => {
    refusal(t, callWith(`91 ${hex}`), what)
  })

  test(`nothing of it is left for the next message: ${what}`, (t) => {
    try {
      decode(callWith(`91 ${hex}`))
    } catch {}
    readsAsEver(t)
  })
}

// An instant that JavaScript can't hold would become an invalid Date, which leaves as an
// extension of one byte.
test('an instant beyond JavaScript’s is refused', (t) => {
  refusal(t, callWith('91 c70c ff 00000000 7fffffffffffffff'))
})

test('records that a message defines are not kept for the next, whether it was read or refused', (t) => {
  const definitions = ['d472 40', 'd472 7f', 'd572 40 00', 'd572 40 01', 'd572 7f ff']
  for (const definition of definitions) {
    for (const bytes of [
      callWith(`91 ${definition} 91 a161 05`),
      callWith(`92 ${definition} 91 a161 05 40 05`),
      callWith(`91 ${definition} 92 a161 a162 05 06`).slice(0, -1),
      new Uint8Array(Buffer.concat([callWith(`91 ${definition} 91 a161 05`), Buffer.of(0xc1)])),
      bytesOf(`${definition} 91 a161 05`),
      bytesOf(`91 ${definition} 91`),
    ]) {
      for (let times = 0; times < 5; times++) {
        try {
          decode(bytes)
        } catch (error) {
          t.true(isFault(error))
        }
        readsAsEver(t)
      }
    }
  }
})

/** In a process of its own: what never ends could not be ended here. */
const inProcess = promisify(execFile)
function decodeElsewhere(hex: string): Promise<{ stdout: string }> {
  const codec = new URL('../../core/wire/codec.js', import.meta.url).href
  const program = `
    const { decode } = await import(${JSON.stringify(codec)})
    try { decode(new Uint8Array(Buffer.from('${hex}', 'hex'))); console.log('read') } catch (fault) { console.log(fault.code) }`
  return inProcess(process.execPath, ['--max-old-space-size=200', '--input-type=module', '-e', program], { timeout: 30_000 })
}

// Left to msgpackr, such bytes end a host: the bundle (ext 62) names as its end the place
// before its beginning.
test('a message that leads back to its own beginning is refused', async (t) => {
  const read = (args: string) => decodeElsewhere(Buffer.from(callWith(args)).toString('hex'))
  // Without the bundle it is a message like any other: only that is refused.
  t.is((await read('94 a0 a0 05 05')).stdout, 'read\n')
  t.is((await read('95 a0 a0 d662fffffffc 05 05')).stdout, 'protocol.bad-envelope\n')
  t.is((await decodeElsewhere('a0a0d662fffffffc0505')).stdout, 'protocol.bad-envelope\n')
})

// 700 bytes are 2⁴⁰ values, each of which is looked at.
test('a message of a few bytes that means more values than there is time for is refused at once', async (t) => {
  const levels = 40
  const id = (n: number) => n.toString(16).padStart(8, '0')
  let args = `dc${(levels + 1).toString(16).padStart(4, '0')} d669 ${id(0)} 91 05`
  for (let n = 1; n <= levels; n++) args += `d669 ${id(n)} 92 d670 ${id(n - 1)} d670 ${id(n - 1)}`
  const { stdout } = await decodeElsewhere(Buffer.from(callWith(args)).toString('hex'))
  t.is(stdout, 'protocol.bad-envelope\n')
})

// --- Any bytes

/** Every message ends in envelopes or in a fault, and the next is read as ever. */
function survives(t: ExecutionContext, bytes: Uint8Array): void {
  try {
    decode(bytes)
  } catch (error) {
    if (!isFault(error) || error.kind !== 'protocol') t.fail(`${Buffer.from(bytes).toString('hex')} throws ${error}`)
  }
}

test('random bytes give envelopes or a fault, and the next message is read as ever', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      survives(t, bytes)
    }),
    { numRuns: 3_000 },
  )
  readsAsEver(t)
})

test('a message with some bytes changed gives envelopes or a fault, and the next is read as ever', (t) => {
  const change = fc.record({
    at: fc.nat(),
    to: fc.oneof(fc.integer({ min: 0, max: 255 }), fc.constantFrom(0xc1, 0xd4, 0xd5, 0xdd, 0xdf, 0x72)),
  })
  const bases = [everBytes, ...onPage.map(({ bytes }) => bytes)]
  fc.assert(
    fc.property(fc.constantFrom(...bases), fc.array(change, { minLength: 1, maxLength: 4 }), (base, changes) => {
      const bytes = base.slice()
      for (const { at, to } of changes) bytes[at % bytes.length] = to
      survives(t, bytes)
      readsAsEver(t)
    }),
    { numRuns: 2_000 },
  )
})

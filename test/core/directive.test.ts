/** Directives: every order that there is can be sent, and what is none is refused where it is read. */
import test from 'ava'
import {
  type Directive,
  decodeDirective,
  describeOrder,
  directiveBytesMax,
  directiveOf,
  directivesKeptMax,
  encodeDirective,
  identityNamed,
  isLogId,
  type Order,
  orderReason,
} from '../../core/control/directive.js'

const whole: Directive = {
  format: 2,
  system: 'shop',
  number: 1,
  what: { order: 'finalize', version: 3 },
  createdAt: '2026-01-01T00:00:00.000Z',
  upgrader: null,
  head: 'ab'.repeat(32),
  log: 'log-1',
}
const bytesOf = (value: unknown) => new TextEncoder().encode(JSON.stringify(value))
const changed = (change: object) => bytesOf({ ...whole, ...change })
const without = (...fields: readonly string[]) =>
  bytesOf(Object.fromEntries(Object.entries(whole).filter(([field]) => !fields.includes(field))))
const refusal = (message: string) => ({ code: 'config.invalid' as const, message: `directive: ${message}` })

const orders: readonly Order[] = [
  { order: 'set', control: { kind: 'pause', version: 2, reason: 'wait', since: 1 } },
  { order: 'set', control: { kind: 'hold', nodeId: 'n1', reason: 'wait', since: 1 } },
  { order: 'set', control: { kind: 'now', nodeId: 'n1', version: 2, since: 1 } },
  { order: 'set', control: { kind: 'retry', version: 2, token: 't', since: 1 } },
  {
    order: 'set',
    control: { kind: 'place', service: 'cart', shard: 3, hostId: 'h1', start: 's1', reason: 'hot', since: 1 },
  },
  { order: 'remove', control: { kind: 'place', service: 'cart', shard: 3 } },
  { order: 'set', control: { kind: 'promote', format: 1, version: 2, percent: 10, past: 1, reason: '', since: 1 } },
  { order: 'set', control: { kind: 'promote', format: 1, version: 2, percent: null, past: null, reason: '', since: 1 } },
  { order: 'remove', control: { kind: 'promote', version: 2 } },
  {
    order: 'set',
    control: { kind: 'pace', format: 1, version: 2, probability: 0.5, everyMs: 1_000, bakeMs: 0, reason: '', since: 1 },
  },
  { order: 'remove', control: { kind: 'pace', version: 2 } },
  { order: 'remove', control: { kind: 'pause', version: 2 } },
  { order: 'remove', control: { kind: 'retry', version: 2 } },
  { order: 'remove', control: { kind: 'hold', nodeId: 'n1' } },
  { order: 'remove', control: { kind: 'now', nodeId: 'n1' } },
  { order: 'setInTable', table: 'authorized', key: 'n 1', value: '' },
  { order: 'removeFromTable', table: 'authorized', key: 'n 1' },
  { order: 'finalize', version: 0 },
  { order: 'forget', nodeId: 'n1' },
  { order: 'backup', digest: 'cd'.repeat(32), version: 4 },
  { order: 'restore', digest: 'cd'.repeat(32), version: 0 },
]

test('every order that there is arrives as it was sent', (t) => {
  for (const what of orders) {
    const directive = { ...whole, what }
    t.deepEqual(decodeDirective(encodeDirective(directive)), directive)
  }
})

test('a directive at version 0 names no head, one that an upgrader has signed names the key', (t) => {
  for (const change of [{ head: null }, { upgrader: 'A123' }, { number: 2 ** 40 }])
    t.deepEqual(decodeDirective(changed(change)), { ...whole, ...change } as Directive)
})

test('a directive of release 0.1.0 names neither head nor log, and is read', (t) => {
  const { head: _, log: __, ...rest } = whole as Directive & { head: unknown; log: unknown }
  const first = { ...rest, format: 1 }
  t.deepEqual(decodeDirective(bytesOf(first)) as object, first)
})

test('an order that lacks a part, or has a wrong one, is none', (t) => {
  const wrong = refusal('it orders nothing that there is')
  for (const what of orders) {
    for (const field of Object.keys(what)) {
      const lacking = Object.fromEntries(Object.entries(what).filter(([name]) => name !== field && name !== 'value'))
      t.throws(() => decodeDirective(changed({ what: lacking })), wrong, `${JSON.stringify(what)} without ${field}`)
    }
    if (!('control' in what)) continue
    // The reason, the token and the time are no part of a control's name.
    const named = what.order === 'set' ? Object.keys(what.control) : ['kind', 'nodeId', 'version']
    for (const field of named) {
      if (!(field in what.control)) continue
      const control = { ...what.control, [field]: {} }
      t.throws(() => decodeDirective(changed({ what: { ...what, control } })), wrong, `${JSON.stringify(what)}: ${field}`)
    }
  }
  const others: readonly unknown[] = [
    null,
    'finalize',
    undefined,
    7,
    { order: 'dance' },
    { order: 'finalize', version: -1 },
    { order: 'setInTable', table: 'a b', key: 'k', value: 'v' },
    { order: 'setInTable', table: 'a', key: '', value: 'v' },
    { order: 'setInTable', table: 'a', key: 'k', value: 7 },
    { order: 'removeFromTable', table: 'a b', key: 'k' },
    { order: 'removeFromTable', table: 'a', key: '' },
    { order: 'remove', control: null },
    { order: 'remove', control: { kind: 'dance', nodeId: 'n1', version: 2 } },
    { order: 'remove', control: { kind: 'pause', nodeId: 'n1' } },
    { order: 'remove', control: { kind: 'hold', version: 2 } },
    { order: 'remove', control: { kind: 'place', service: 'cart', shard: -1 } },
    { order: 'remove', control: { kind: 'place', service: 'a b', shard: 1 } },
  ]
  for (const what of others) t.throws(() => decodeDirective(changed({ what })), wrong, JSON.stringify(what))
})

test('the gate’s memory is the upgrade servers’ own: nobody orders it', (t) => {
  const wrong = refusal('it orders nothing that there is')
  const gate = { kind: 'gate', version: 2, heeded: [], since: 1 }
  t.throws(() => decodeDirective(changed({ what: { order: 'set', control: gate } })), wrong)
  t.throws(() => decodeDirective(changed({ what: { order: 'remove', control: { kind: 'gate', version: 2 } } })), wrong)
})

test('a directive whose fields are missing or wrong is refused, and the field is named', (t) => {
  const wrongs: Readonly<Record<string, readonly unknown[]>> = {
    system: ['', 'a b', 7, null],
    number: [0, -1, 1.5, '1', null, 2 ** 53],
    createdAt: [7, null],
    upgrader: [7, {}],
    head: ['ab', 7, {}],
    log: ['', 7, null, 'l'.repeat(129)],
  }
  for (const [field, values] of Object.entries(wrongs)) {
    const wrong = refusal(`${field} is missing or wrong`)
    for (const value of values) t.throws(() => decodeDirective(changed({ [field]: value })), wrong, `${field}: ${value}`)
    t.throws(() => decodeDirective(without(field)), wrong, field)
  }
})

test('a directive of a format that this release does not know is refused with the formats that it does', (t) => {
  t.throws(() => decodeDirective(changed({ format: 4 })), refusal('format 4; this Theseus reads formats 1 to 3'))
  for (const value of [null, 7, 'directive'])
    t.throws(() => decodeDirective(bytesOf(value)), refusal('format undefined; this Theseus reads formats 1 to 3'))
})

test('bytes that are no JSON, or no UTF-8, are no directive; the cause is kept', (t) => {
  for (const bytes of [
    new TextEncoder().encode('{'),
    bytesOf(whole).with(JSON.stringify(whole).indexOf('2026'), 0xff),
    new Uint8Array(),
  ]) {
    const fault = t.throws(() => decodeDirective(bytes), { code: 'config.invalid', message: 'the directive is not JSON' })
    t.true(fault!.cause instanceof Error)
  }
})

test('a directive may have so many bytes, and no more', (t) => {
  const padded = (bytes: number) => {
    const made = new Uint8Array(bytes).fill(0x20)
    made.set(bytesOf(whole))
    return made
  }
  t.deepEqual(decodeDirective(padded(directiveBytesMax)), whole)
  t.is(directiveBytesMax, 131_072)
  t.throws(() => decodeDirective(padded(directiveBytesMax + 1)), refusal('131073 bytes; at most 131072 are taken'))
})

test('the id of a log is a text of 1 to 128 characters', (t) => {
  for (const id of ['l', 'l'.repeat(128)]) t.true(isLogId(id))
  for (const id of ['', 'l'.repeat(129), 7, null, undefined, ['l']]) t.false(isLogId(id))
})

test('an order reads as people say it', (t) => {
  t.deepEqual(orders.map(describeOrder), [
    'pause/2',
    'hold/n1',
    'now/n1',
    'retry/2',
    'place/cart/3 at h1',
    'no place/cart/3',
    'promote/2: 10 %',
    'promote/2: the next step',
    'no promote/2',
    'pace/2: probability 0.5, every 1000 ms, bake 0 ms',
    'no pace/2',
    'no pause/2',
    'no retry/2',
    'no hold/n1',
    'no now/n1',
    'authorized: n 1 = ',
    'authorized: no n 1',
    'version 0 is final',
    'forget n1',
    `backup ${'cd'.repeat(32)}, up to version 4`,
    `restore from backup ${'cd'.repeat(32)}, up to version 0`,
  ])
})

test('a directive is in the oldest format that says all that is known of its system', (t) => {
  const { system, number, what, createdAt, upgrader } = whole
  const order = { system, number, what, createdAt, upgrader }
  const [head, log, identity] = ['ab'.repeat(32), 'log-1', 'shop-identity-01']
  t.deepEqual(directiveOf(order, head, null, null), { format: 1, ...order })
  t.deepEqual(directiveOf(order, head, log, null), { format: 2, ...order, head, log })
  t.deepEqual(directiveOf(order, head, log, identity), { format: 3, ...order, head, log, identity })
  // A server that has an identity and tells of no log is asked for none: it refuses the order.
  t.deepEqual(directiveOf(order, head, null, identity), { format: 3, ...order, head, log: '', identity })
  t.is(identityNamed(directiveOf(order, head, log, identity)), identity)
  t.is(identityNamed({ ...directiveOf(order, head, log, null), identity } as Directive), null)
})

test('a directive that names the identity of its system is read, and one that should and does not is refused', (t) => {
  const directive = { ...whole, format: 3, identity: 'shop-identity-01' }
  t.deepEqual(decodeDirective(bytesOf(directive)) as object, directive)
  for (const identity of [undefined, null, '', 'short', 7])
    t.throws(() => decodeDirective(bytesOf({ ...directive, identity })), refusal('identity is missing or wrong'))
  // In an older format it is a field that nobody knows.
  t.notThrows(() => decodeDirective(changed({ identity: 'short' })))
})

test('a directive says why, beside an order that has no reason of its own', (t) => {
  const said = { ...whole, reason: 'all nodes are there' }
  t.deepEqual(decodeDirective(encodeDirective(said)), said)
  t.is(orderReason(said), 'all nodes are there')
  t.is(orderReason(whole), null)
  const pause: Directive = { ...whole, what: orders[0]! }
  t.is(orderReason(pause), 'wait')
  t.is(orderReason({ ...pause, reason: 'lunch' }), 'lunch')
  t.is(orderReason({ ...whole, what: { order: 'remove', control: { kind: 'pause', version: 2 } } }), null)
  for (const reason of [7, null, 'x'.repeat(1025)])
    t.throws(() => decodeDirective(changed({ reason })), refusal('reason is wrong'))
})

test('an upgrade database keeps 1,000 directives', (t) => {
  t.is(directivesKeptMax, 1000)
})

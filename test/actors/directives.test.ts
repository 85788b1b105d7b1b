/** What upgraders order while an upgrade is under way: signed, and carried out once. */
import test from 'ava'
import { type Directive, decodeDirective, encodeDirective } from '../../core/directive.js'
import { signed } from '../../core/signed.js'
import { askServer } from '../support/askServer.js'
import { alice, mallory } from '../support/signedManifests.js'
import { codeOf, TestSystem } from '../support/testSystem.js'

const directive = (system: TestSystem, number: number, more: Partial<Directive> = {}): Directive => ({
  format: 1,
  system: system.name,
  number,
  what: { order: 'setInTable', table: 'authorized', key: 'n1', value: 'yes' },
  createdAt: '2026-01-01T00:00:00.000Z',
  upgrader: alice.publicKey,
  ...more,
})

test('a directive that a trusted upgrader signed is carried out, once', async (t) => {
  const system = await TestSystem.start(t, {}, {}, { trust: [alice.publicKey], upgrader: alice })
  const { bytes, signature } = signed('directive', encodeDirective(directive(system, 1)), alice)
  const direct = () => askServer(system, 'install', 'direct', bytes, signature)
  t.is(await direct(), 'answered {"result":true}')
  t.is((await system.database.table('authorized')).get('n1'), 'yes')
  await system.database.removeFromTable('authorized', 'n1')
  // Whoever has seen it can't order it again.
  t.is(await direct(), 'upgrade.conflict')
  t.is((await system.database.table('authorized')).size, 0)
  t.is((await system.database.recentDirectives()).length, 1)
})

test('what nobody signed, somebody else signed, or was signed as something else is refused, and counts for nothing', async (t) => {
  const system = await TestSystem.start(t, {}, {}, { trust: [alice.publicKey], upgrader: alice })
  const good = encodeDirective(directive(system, 1))
  const bad: readonly (readonly [string, Uint8Array, Uint8Array | null])[] = [
    ['unsigned', good, null],
    ['by nobody', encodeDirective(directive(system, 1, { upgrader: null })), null],
    ['by mallory', encodeDirective(directive(system, 1, { upgrader: mallory.publicKey })), null],
    ['signed by another', good, signed('directive', good, mallory).signature],
    ['signed as a manifest', good, signed('manifest', good, alice).signature],
    [
      'changed',
      new TextEncoder().encode(new TextDecoder().decode(good).replace('yes', 'no!')),
      signed('directive', good, alice).signature,
    ],
  ]
  for (const [what, bytes, signature] of bad)
    t.is(await askServer(system, 'install', 'direct', bytes, signature), 'upgrade.signature', what)
  const other = encodeDirective(directive(system, 1, { system: 'another' }))
  t.is(await askServer(system, 'install', 'direct', other, signed('directive', other, alice).signature), 'config.invalid')
  t.is(await system.database.directives(), 0)
  t.is((await system.database.tables()).length, 0)
})

test('operators take turns: of two at once, each has its own number', async (t) => {
  const system = await TestSystem.start(t)
  const other = await system.host('desk2')
  const [one, two] = [system.desk.running.operator, other.running.operator]
  await Promise.all([one.pause(7, 'a'), two.pause(8, 'b'), one.setInTable('authorized', 'n1', 'yes'), two.hold('n2', '')])
  t.is(await system.database.directives(), 4)
  t.is((await system.database.controls()).length, 3)
  t.true(await two.removeFromTable('authorized', 'n1'))
  t.false(await one.removeFromTable('authorized', 'n1'))
  t.is(await codeOf(one.setInTable('a b', 'n1', 'yes')), 'config.invalid')
})

test('what is no directive is refused, saying what is wrong', (t) => {
  const whole = {
    format: 1,
    system: 'shop',
    number: 1,
    what: { order: 'finalize', version: 1 },
    createdAt: 'now',
    upgrader: null,
  }
  const decode = (change: object) => () => decodeDirective(new TextEncoder().encode(JSON.stringify({ ...whole, ...change })))
  t.notThrows(decode({}))
  for (const [change, message] of [
    [{ format: 2 }, /format 2; this Theseus reads format 1/],
    [{ system: 'a b' }, /system/],
    [{ number: 0 }, /number/],
    [{ upgrader: 5 }, /upgrader/],
    [{ what: { order: 'dance' } }, /orders nothing/],
    [{ what: { order: 'set', control: { kind: 'gate', version: 1, heeded: [], since: 0 } } }, /orders nothing/],
    [{ what: { order: 'remove', control: { kind: 'gate', version: 1 } } }, /orders nothing/],
    [{ what: { order: 'setInTable', table: 'a b', key: 'k', value: 'v' } }, /orders nothing/],
  ] as const)
    t.throws(decode(change), { code: 'config.invalid', message })
  t.throws(() => decodeDirective(new Uint8Array([1])), { message: /not JSON/ })
  t.throws(() => decodeDirective(new Uint8Array(200_000)), { message: /at most 131072/ })
})

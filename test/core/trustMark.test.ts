/**
 * The mark of a trust root: the same for those who trust the same, and nothing that helps to
 * trust somebody else.
 */
import test from 'ava'
import { noTrustWarning } from '../../core/inspection/noTrustWarning.js'
import { trustNobody } from '../../core/trust/trust.js'
import {
  isChangedRoot,
  isSameTrust,
  isTrustMark,
  markText,
  nobodysMark,
  trustMark,
  trustText,
} from '../../core/trust/trustMark.js'
import { alice, bob, mallory } from '../support/signedManifests.js'
import { rootOf, staging } from '../support/trustRoots.js'

const keys = [alice.publicKey, bob.publicKey]

test('the same keys in any order are the same trust; other keys, and nobody, are not', (t) => {
  const mark = trustMark(keys)
  t.deepEqual(trustMark(keys.toReversed()), mark)
  t.true(isSameTrust(mark, trustMark(keys.toReversed())))
  for (const other of [[alice.publicKey], [...keys, mallory.publicKey], [alice.publicKey, mallory.publicKey]])
    t.false(isSameTrust(mark, trustMark(other)))
  t.deepEqual(trustMark(undefined), nobodysMark)
  t.false(isSameTrust(mark, nobodysMark))
})

test('trust roots are the same only as a whole; a list of the same keys is on its way to be one', (t) => {
  const mark = trustMark(rootOf())
  t.deepEqual(trustMark(rootOf({ since: 1, need: {}, keys: keys.toReversed().map((key) => ({ key })) })), mark)
  const others = [{ identity: staging }, { need: { upgrade: 2 } }, { since: 3 }, { system: 'another' }]
  for (const change of others) t.false(isSameTrust(mark, trustMark(rootOf(change))), JSON.stringify(change))
  t.false(isSameTrust(mark, trustMark(rootOf({ keys: keys.map((key) => ({ key, until: '2030-01-01T00:00:00Z' })) }))))
  t.true(isSameTrust(mark, trustMark(rootOf())))
  t.true(isSameTrust(mark, trustMark(keys)))
  t.true(isSameTrust(trustMark(keys), mark))
  const needs = [
    { upgrade: 2, undo: 1 },
    { undo: 1, upgrade: 2 },
  ].map((need) => trustMark(rootOf({ need })))
  t.deepEqual(needs[0], needs[1])
  t.false(isSameTrust(mark, trustMark([alice.publicKey])))
})

test('a root of the same keys that is another one is a file that somebody has changed', (t) => {
  const mark = trustMark(rootOf())
  t.true(isChangedRoot(mark, trustMark(rootOf({ need: { upgrade: 2 } }))))
  t.true(isChangedRoot(mark, trustMark(rootOf({ identity: staging }))))
  for (const other of [mark, trustMark(keys), trustMark([alice.publicKey]), nobodysMark]) t.false(isChangedRoot(mark, other))
})

test('a mark that somebody made up is none', (t) => {
  for (const mark of [nobodysMark, trustMark(keys), trustMark(rootOf())]) t.true(isTrustMark(JSON.parse(JSON.stringify(mark))))
  const digest = 'a'.repeat(32)
  for (const value of [
    null,
    undefined,
    'nobody',
    {},
    { keys: 'everybody', root: null },
    { keys: digest },
    { keys: digest, root: 1 },
    { keys: [digest], root: null },
    { keys: digest, root: [digest] },
  ])
    t.false(isTrustMark(value), JSON.stringify(value))
  t.false(isTrustMark({ keys: digest, root: `${digest}a` }))
})

test('people are told whom it is, and whether anybody has said so', (t) => {
  t.is(markText(nobodysMark), `${trustNobody}: upgrades need no signature`)
  t.regex(markText(trustMark(keys)), /^the list [0-9a-f]{8}$/)
  t.regex(markText(trustMark(rootOf())), /^the root [0-9a-f]{8}$/)
  t.is(trustText({ mark: nobodysMark, isSaid: true }), markText(nobodysMark))
  t.is(trustText({ mark: nobodysMark, isSaid: false }), `${markText(nobodysMark)}, since "trust" is not given`)
  const { error } = noTrustWarning('a host', 'shop')
  t.regex(String(error), /a host of system shop takes upgrades that nobody has signed: give it "trust", or write trust: 'nobody'/)
})

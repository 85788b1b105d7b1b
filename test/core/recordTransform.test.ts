/** Rules of records that are made one by one: their names filled in, and what is no rule refused. */
import test from 'ava'
import { asItIs, recordRules } from '../../core/model/recordTransform.js'

const record = () => 1

test('without a rule nothing is made record by record', (t) => {
  t.is(recordRules(undefined, 'records'), null)
  t.is(recordRules({}, 'records'), null)
})

test('a rule takes the collection of its own name from both inputs, unless it names others', (t) => {
  t.deepEqual(recordRules({ pages: record, old: { from: 'was', record }, both: { from: 'a', beside: 'b', record } }, 'records'), {
    pages: { from: 'pages', beside: 'pages', record },
    old: { from: 'was', beside: 'old', record },
    both: { from: 'a', beside: 'b', record },
  })
})

test('what is no rule is refused, and named where it is written', (t) => {
  for (const wrong of [null, undefined, 7, {}, { from: 'pages' }, { record: 'text' }])
    t.throws(() => recordRules({ pages: wrong as never }, 'inverse.records'), {
      code: 'upgrade.invalid',
      message: "inverse.records.pages: use (old, futureRecord, key) => record, or { from: 'pages', record: … }",
    })
})

test('names of collections are names, each of the three', (t) => {
  const wrong = { code: 'config.invalid' as const, message: /^collection "a b": use/ }
  t.throws(() => recordRules({ 'a b': { from: 'a', beside: 'b', record } as never }, 'records'), wrong)
  t.throws(() => recordRules({ pages: { from: 'a b', record } as never }, 'records'), wrong)
  t.throws(() => recordRules({ pages: { from: 'a', beside: 'a b', record } as never }, 'records'), wrong)
})

test('a record that stays as it is stays', (t) => {
  const page = { url: 'u' }
  t.is(asItIs(page), page)
  t.is(asItIs(undefined), undefined)
})

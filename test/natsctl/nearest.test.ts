import test from 'ava'
import fc from 'fast-check'
import { didYouMean, nearest } from '../../natsctl/output/nearest.js'

test('the nearest names are those with few letters changed, left out, added or swapped, and those that begin so', (t) => {
  const known = ['pages', 'page', 'mail', 'pages-eu', 'search']
  t.deepEqual(nearest('pagse', known), ['page', 'pages'])
  t.deepEqual(nearest('pagess', known), ['pages'])
  t.deepEqual(nearest('mial', known), ['mail'])
  t.deepEqual(nearest('sear', known), ['search'])
  t.deepEqual(nearest('saerhc', known), ['search'])
  t.deepEqual(nearest('nothing', known), [])
  t.deepEqual(nearest('p9', ['p1', 'p2', 'q1', 'p3', 'p4']), ['p1', 'p2', 'p3'])
})

test('what may be meant is one clause, or nothing', (t) => {
  t.is(didYouMean('p9', ['p1']), '; did you mean p1?')
  t.is(didYouMean('p9', ['p3', 'p1', 'p2', 'p1']), '; did you mean p1, p2 or p3?')
  t.is(didYouMean('p9', []), '')
  t.is(didYouMean('p1', ['p1']), '')
})

test('one letter that is wrong anywhere in a name is found', (t) => {
  const name = fc.string({ minLength: 3, maxLength: 12, unit: fc.constantFrom(...'abcdef') })
  fc.assert(
    fc.property(name, fc.nat(), (right, at) => {
      const index = at % right.length
      for (const wrong of [
        `${right.slice(0, index)}x${right.slice(index + 1)}`,
        `${right.slice(0, index)}${right.slice(index + 1)}`,
      ])
        t.deepEqual(nearest(wrong, [right]), [right])
    }),
  )
})

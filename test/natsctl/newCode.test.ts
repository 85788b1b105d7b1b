import test from 'ava'
import { advanced, advancedPath } from '../../natsctl/new/classRef.js'
import { decisionsIn, quoted, valueLiteral } from '../../natsctl/new/codeText.js'
import { parametersOf } from '../../natsctl/new/parameters.js'

test('parameters have the names that a person gave them, as far as a call must have them', (t) => {
  class Some {
    plain(_url: string, _html: string) {}
    async late(_a: number, { b }: { b: number }, [c]: number[] = [], ..._rest: number[]) {
      return b + c!
    }
    none() {}
  }
  const { plain, late, none } = Some.prototype
  t.deepEqual(parametersOf(plain), ['_url', '_html'])
  t.deepEqual(parametersOf(late), ['_a', 'arg2'])
  t.deepEqual(parametersOf(none), [])
})

test('the name after a name counts on, or is the second', (t) => {
  t.is(advanced('PagesV1', 'V2'), 'PagesV2')
  t.is(advanced('PagesV9', 'V2'), 'PagesV10')
  t.is(advanced('Archive', 'V2'), 'ArchiveV2')
  t.is(advanced('Pages.v1', '.v2'), 'Pages.v2')
  t.is(advancedPath('/a/pages.v1.ts'), '/a/pages.v2.ts')
  t.is(advancedPath('/a/archive.mts'), '/a/archive.v2.mts')
})

test('a first value is written as code where that is the same value', (t) => {
  t.is(valueLiteral({ pages: {}, 'a-b': [1, null, true] }), "{ pages: {}, 'a-b': [1, null, true] }")
  t.is(valueLiteral("it's"), "'it\\'s'")
  for (const value of [new Date(0), new Uint8Array(2), { at: new Date(0) }, 'x'.repeat(80), undefined])
    t.is(valueLiteral(value), undefined)
})

test('decisions are found where they stand, with what they say', (t) => {
  const text = `a\n  throw ${quoted("it's one: a")} satisfies 'decided'\n  b: 'two: b' satisfies 'decided' as never,\n`
  t.deepEqual(decisionsIn(text), [
    { line: 2, text: "it's one: a" },
    { line: 3, text: 'two: b' },
  ])
})

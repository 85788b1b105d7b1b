/** References to nodes: objects with the remote methods of a class. */
import 'reflect-metadata'
import test from 'ava'
import { makeRef } from '../../actors/calls/refs.js'
import { NotesV1, NotesV2 } from './notesClasses.js'

type Called = Record<string, (...args: unknown[]) => unknown>

test('a reference passes each call on with its method, its kind and its arguments', (t) => {
  class Fresh extends NotesV1 {}
  const ref = makeRef(Fresh, (...call) => call) as Called
  t.deepEqual(ref.add!('text', 2), ['add', 'command', ['text', 2]])
  t.deepEqual(ref.all!(), ['all', 'query', []])
})

test('the methods of a class are made once, however many references there are to it', (t) => {
  class Fresh extends NotesV1 {}
  const refs = [1, 2].map((n) => makeRef(Fresh, () => n) as Called)
  t.is(refs[0]!.add, refs[1]!.add)
  t.deepEqual(
    refs.map((ref) => ref.add!()),
    [1, 2],
  )
  t.not((makeRef(NotesV2, () => 0) as Called).add, refs[0]!.add)
})

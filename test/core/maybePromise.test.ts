/** A promise is whatever `await` waits for. */
import test from 'ava'
import { ignoreThrownPromise, isPromiseIgnored, promiseOf, whenSettled } from '../../core/base/maybePromise.js'

/** An object, or `base`, with this member `then`. */
const withThen = (then: unknown, base: object = {}) => Object.defineProperty(base, 'then', { value: then })

test('what is no promise is here already', (t) => {
  for (const value of [undefined, null, 0, 'then', true, {}, [], withThen(5), () => {}, Object.create(null)])
    t.is(promiseOf(value), undefined)
})

test('promises, objects and functions with a method `then` are waited for', async (t) => {
  const promise = Promise.resolve(1)
  t.is(promiseOf(promise), promise)
  t.is(await promiseOf(withThen((resolve: (value: number) => void) => resolve(2))), 2)
  const callable = withThen(
    (resolve: (value: number) => void) => resolve(3),
    () => {},
  )
  t.is(await promiseOf(callable), 3)
})

test('a `then` that throws when it is looked at is a rejection, and no exception', async (t) => {
  const wrong = Object.defineProperty({}, 'then', {
    get() {
      throw new Error('no')
    },
  })
  await t.throwsAsync(promiseOf(wrong)!, { message: 'no' })
})

test('what happens when it has settled does not hang on the promise’s own `then`', async (t) => {
  const promise = withThen(() => {}, Promise.resolve(1))
  t.is(
    await whenSettled(
      promise as never,
      (value) => (value as number) + 1,
      () => 0,
    ),
    2,
  )
  t.is(
    await whenSettled(
      Promise.reject(new Error('no')),
      () => '',
      (error) => (error as Error).message,
    ),
    'no',
  )
})

test('a promise that nobody waits for ends nothing when it rejects', async (t) => {
  const unhandled: unknown[] = []
  const hear = (error: unknown) => void unhandled.push(error)
  process.on('unhandledRejection', hear)
  t.teardown(() => process.off('unhandledRejection', hear))
  t.true(isPromiseIgnored(Promise.reject(new Error('nobody waits'))))
  t.false(isPromiseIgnored({}))
  ignoreThrownPromise(Promise.reject(new Error('thrown')))
  for (const thrown of [undefined, null, 'text', 7, {}, new Error('no promise'), withThen(() => t.fail('it may be lazy'))])
    t.notThrows(() => ignoreThrownPromise(thrown))
  await new Promise((resolve) => setImmediate(resolve))
  t.deepEqual(unhandled, [])
})

/** The part of texts, values and errors of others that a log line has: never more than some kilobytes. */
import test from 'ava'
import { shownError, shownName, shownPath, shownText } from '../../core/base/boundedText.js'

const sizeOf = (error: unknown): number =>
  error instanceof Error
    ? error.message.length + error.stack!.length + JSON.stringify({ ...error }).length + sizeOf(error.cause)
    : String(error).length

function errorWith(message: string, stack: string): Error {
  const error = new Error(message)
  error.stack = stack
  return error
}

test('names, paths and texts are cut where they are too long, saying how long they are', (t) => {
  for (const [shown, max] of [[shownName, 64] as const, [shownPath, 500] as const, [shownText, 1000] as const]) {
    t.is(shown('x'.repeat(max)), 'x'.repeat(max))
    t.is(shown('x'.repeat(max + 1)), `${'x'.repeat(max)}… (${max + 1} characters)`)
  }
})

test('a short error is shown as it is, with its class and its fields', (t) => {
  const error = Object.assign(new RangeError('too far'), { code: 'E_FAR', details: { by: { metres: [7] } }, none: null })
  t.is(shownError(error), error)
  const longest = errorWith('x'.repeat(1000), 's'.repeat(5000))
  t.is(shownError(longest), longest)
})

test('a long message is cut in the message and in the stack, and the frames stay', (t) => {
  const error = new TypeError('x'.repeat(1001))
  const shown = shownError(error) as Error
  t.is(shown.message, `${'x'.repeat(1000)}… (1001 characters)`)
  t.true(shown.stack!.startsWith(`TypeError: ${shown.message}\n    at `), shown.stack)
  t.is(shown.stack!.length - shown.message.length, error.stack!.length - error.message.length)
  t.is(shown.name, 'TypeError')
  t.is(shown.constructor, TypeError)
  t.deepEqual(Object.keys(shown), ['name'])
  t.is(error.message.length, 1001)
})

test('a long stack is cut, also one that does not have the message', (t) => {
  const error = errorWith('short', `Error: short${'s'.repeat(5000)}`)
  t.is((shownError(error) as Error).stack, `Error: short${'s'.repeat(4000)}`)
  t.is((shownError(errorWith('short', 's'.repeat(5001))) as Error).stack, 'Error: short')
})

test('an error without a stack is short', (t) => {
  const error = new Error('why')
  delete error.stack
  t.is(shownError(error), error)
})

test('a long name is cut', (t) => {
  const error = new Error('why')
  error.name = 'N'.repeat(64)
  t.is(shownError(error), error)
  error.name = 'N'.repeat(65)
  t.is((shownError(error) as Error).name, `${'N'.repeat(64)}… (65 characters)`)
})

test('an error has its cause, each as short as it helps', (t) => {
  const root = new Error('r'.repeat(2000))
  const shown = shownError(new Error('above', { cause: root })) as Error
  t.is(shown.message, 'above')
  t.is((shown.cause as Error).message, `${'r'.repeat(1000)}… (2000 characters)`)
  t.false('cause' in (shownError(new Error('x'.repeat(1001))) as Error))
  t.is((shownError(new Error('above', { cause: 'just text' })) as Error).cause, 'just text')
})

test('causes that are many, or lead in a circle, take no more than a few errors', (t) => {
  const circle = new Error('c'.repeat(900))
  circle.cause = circle
  const chain = Array.from({ length: 1000 }).reduce<Error | undefined>(
    (cause) => new Error('c'.repeat(900), { cause }),
    undefined,
  )
  for (const error of [circle, chain]) {
    const shown = shownError(error)
    t.true(sizeOf(shown) < 4 * 7000, `${sizeOf(shown)}`)
    const third = ((shown as Error).cause as Error).cause as Error
    t.is(third.message, circle.message)
    t.is((third.cause as Error).message, circle.message)
    t.is((third.cause as Error).cause, 'one more error')
  }
})

test('an error that gathers others has the first few of them', (t) => {
  const errors = Array.from({ length: 1000 }, (_, i) => new Error(`${i} ${'x'.repeat(2000)}`))
  const shown = shownError(new AggregateError(errors, 'all failed')) as AggregateError
  t.is(shown.message, 'all failed')
  t.is(shown.constructor, AggregateError)
  t.deepEqual(
    shown.errors.map((each: Error | string) => (typeof each === 'string' ? each : each.message.slice(0, 3))),
    ['0 x', '1 x', '2 x', 'one more error'],
  )
  t.false(Object.keys(shown).includes('errors'), 'loggers list them themselves')
  const two = shownError(new AggregateError([new Error('one'), 'two'], 'both')) as AggregateError
  t.deepEqual(two.errors.map(String), ['Error: one', 'two'])
})

test('an error within a field is shown as one', (t) => {
  const inner = Object.assign(new Error('i'.repeat(2000)), { list: Array.from({ length: 5000 }, () => 1), port: 7 })
  const error = Object.assign(new Error('outer'), { code: 7, inner })
  const shown = shownError(error) as typeof error
  t.is(shown.code, 7)
  t.is(shown.inner.message, `${'i'.repeat(1000)}… (2000 characters)`)
  t.deepEqual({ ...shown.inner, name: undefined }, { name: undefined, port: 7 } as never)
  // Its message is not among its fields, and yet logged.
  const caught = shownError(Object.assign(new Error('outer'), { caught: new Error('c'.repeat(2000)) })) as { caught: Error }
  t.is(caught.caught.message, `${'c'.repeat(1000)}… (2000 characters)`)
  const itself = new Error('itself')
  const again = shownError(Object.assign(itself, { again: itself })) as { again: { again: unknown } }
  t.true(sizeOf(again) < 4 * 7000)
})

test('fields that are too long or too deep are left out, the others stay', (t) => {
  const list = Array.from({ length: 100_000 }, () => '')
  const long = 'x'.repeat(4001)
  const fields = { a: 1, list, b: 'text', long, [long]: 2, bytes: new Uint8Array(4001), big: 10n ** 4001n, c: { deep: [{}] } }
  const shown = shownError(Object.assign(new Error('why'), fields, { deeper: { deep: [{ est: [] }] } })) as Error
  t.deepEqual({ ...shown, name: undefined }, { name: undefined, a: 1, b: 'text', c: { deep: [{}] } })
})

test('short bytes and lists stay, and a number that a record calls its length is a number', (t) => {
  const fields = { bytes: new Uint8Array(10), list: [1, 2], record: { length: 5000, byteLength: 5000 } }
  const shown = shownError(Object.assign(new Error('why'), fields, { long: 'x'.repeat(4001) })) as Error
  t.deepEqual({ ...shown, name: undefined }, { name: undefined, ...fields })
  for (const none of [[], new Uint8Array(0)]) {
    const longest = { a: 'x'.repeat(3998), b: none }
    t.is(shownError(longest), longest, 'nothing is not too long where nothing is left')
  }
})

test('fields that are short each are not long together', (t) => {
  const texts = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`f${i}`, 'x'.repeat(990)]))
  const shown = shownError(Object.assign(new Error('why'), texts, { last: 'y' })) as Error
  t.deepEqual(Object.keys(shown), ['name', 'f0', 'f1', 'f2', 'f3', 'last'])
  const nested = shownError(Object.assign(new Error('why'), { all: Object.values(texts) })) as Error
  t.deepEqual(Object.keys(nested), ['name'])
  const errors = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`e${i}`.padEnd(10), new Error('x')]))
  t.is(Object.keys(shownError(Object.assign(new Error('why'), errors)) as Error).length, 401)
})

test('what was thrown and is no error is shown as it is if it is short, else as text', (t) => {
  for (const value of [undefined, null, 7, true, 'short', 1n, Symbol('s'), new Date(0)]) t.is(shownError(value), value)
  const record = { name: 'x'.repeat(3996) }
  t.is(shownError(record), record)
  t.is(shownError({ name: 'x'.repeat(3997) }), '[object Object]')
  t.is(shownError('x'.repeat(1001)), `${'x'.repeat(1000)}… (1001 characters)`)
  t.is(shownError(Array.from({ length: 2000 }, () => 1)), `${'1,'.repeat(500)}… (3999 characters)`)
})

test('an error that cannot be read is said to be so', (t) => {
  const error = new Error('why')
  Object.defineProperty(error, 'message', {
    get() {
      throw new Error('no')
    },
  })
  t.is(shownError(error), 'an error that can’t be read')
  t.is(shownError(Object.assign(Object.create(null), { x: 'y'.repeat(5000) })), 'an error that can’t be read')
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  t.is(shownError(proxy), 'an error that can’t be read')
})

test('a long list or many bytes that an error carries are not gone through', (t) => {
  let looks = 0
  const list = new Proxy(
    Array.from({ length: 100_000 }, () => 1),
    {
      ownKeys(of) {
        looks++
        return Reflect.ownKeys(of)
      },
    },
  )
  const shown = shownError(Object.assign(new Error('why'), { list, bytes: new Uint8Array(16 * 1024 * 1024), last: 'x' })) as Error
  t.deepEqual(
    Object.keys(shown).filter((key) => key !== 'name'),
    ['last'],
  )
  t.is(looks, 0)
})

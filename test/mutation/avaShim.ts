/**
 * Stands in for `ava` in a worker: the tests of a file are registered, and run when they are asked for, one
 * by one, in this process. It knows what the tests here use of ava, and nothing else.
 */
import assert from 'node:assert'
import { isDeepStrictEqual } from 'node:util'

type Body = (t: Execution, ...args: unknown[]) => unknown

export interface RegisteredTest {
  readonly title: string
  readonly body: Body
  readonly args: readonly unknown[]
}

/** The tests that one test file registered. */
export class TestFile {
  readonly tests: RegisteredTest[] = []
  readonly before: Body[] = []
  readonly after: Body[] = []
  readonly beforeEach: Body[] = []
  readonly afterEach: Body[] = []
  context: Record<string, unknown> = {}
  /** The hooks before all tests, which run with the first. */
  begun: Promise<void> | undefined
}

/** The file that is being loaded. */
let loading = new TestFile()

export async function loadTests(url: string): Promise<TestFile> {
  const file = new TestFile()
  loading = file
  await import(url)
  return file
}

export class Failure extends Error {}

interface Expectation {
  readonly instanceOf?: abstract new (...args: never[]) => unknown
  readonly is?: unknown
  readonly message?: string | RegExp | ((message: string) => boolean)
  readonly name?: string
  readonly code?: string | number
  readonly any?: boolean
}

/** One run of one test. */
export class Execution {
  context: unknown
  readonly #teardowns: (() => unknown)[] = []
  readonly #pending = new Set<Promise<unknown>>()
  #assertions = 0
  failure: unknown

  constructor(
    readonly title: string,
    context: Record<string, unknown>,
  ) {
    this.context = { ...context }
  }

  #hold(condition: boolean, what: () => string): boolean {
    this.#assertions++
    if (condition) return true
    const failure = new Failure(what())
    // Kept, too: the test's own code may catch it.
    this.failure ??= failure
    throw failure
  }

  /** The first error counts; some code throws `undefined`, which is a failure too. */
  failed(error: unknown): void {
    this.failure ??= error ?? new Failure(`${error} was thrown`)
  }

  readonly log = (): void => {}
  readonly timeout = (): void => {}
  readonly pass = (): boolean => this.#hold(true, () => '')
  readonly fail = (message = 't.fail()'): boolean => this.#hold(false, () => message)
  readonly is = (a: unknown, b: unknown): boolean => this.#hold(Object.is(a, b), () => `${shown(a)} is not ${shown(b)}`)
  readonly not = (a: unknown, b: unknown): boolean => this.#hold(!Object.is(a, b), () => `both are ${shown(a)}`)
  readonly true = (value: unknown): boolean => this.#hold(value === true, () => `${shown(value)} is not true`)
  readonly false = (value: unknown): boolean => this.#hold(value === false, () => `${shown(value)} is not false`)
  readonly truthy = (value: unknown): boolean => this.#hold(Boolean(value), () => `${shown(value)} is not truthy`)
  readonly falsy = (value: unknown): boolean => this.#hold(!value, () => `${shown(value)} is not falsy`)
  readonly assert = this.truthy
  readonly deepEqual = (a: unknown, b: unknown): boolean =>
    this.#hold(isDeepEqual(a, b), () => `${shown(a)} does not equal ${shown(b)}`)
  readonly notDeepEqual = (a: unknown, b: unknown): boolean => this.#hold(!isDeepEqual(a, b), () => `both are ${shown(a)}`)
  readonly regex = (text: string, pattern: RegExp): boolean => this.#hold(pattern.test(text), () => `${text} is not ${pattern}`)
  readonly notRegex = (text: string, pattern: RegExp): boolean => this.#hold(!pattern.test(text), () => `${text} is ${pattern}`)
  readonly like = (a: unknown, b: unknown): boolean => this.#hold(isLike(a, b), () => `${shown(a)} is not like ${shown(b)}`)

  readonly throws = (action: () => unknown, expected?: Expectation): unknown => {
    let thrown: unknown
    let isThrown = false
    try {
      action()
    } catch (error) {
      thrown = error
      isThrown = true
    }
    this.#hold(isThrown, () => 'nothing was thrown')
    this.#expect(thrown, expected)
    return thrown
  }

  readonly throwsAsync = (
    action: (() => PromiseLike<unknown>) | PromiseLike<unknown>,
    expected?: Expectation,
  ): Promise<unknown> =>
    this.#follow(
      (async () => {
        let thrown: unknown
        let isThrown = false
        try {
          await (typeof action === 'function' ? action() : action)
        } catch (error) {
          thrown = error
          isThrown = true
        }
        this.#hold(isThrown, () => 'nothing was thrown')
        this.#expect(thrown, expected)
        return thrown
      })(),
    )

  readonly notThrows = (action: () => unknown): boolean => {
    action()
    return this.#hold(true, () => '')
  }

  readonly notThrowsAsync = (action: (() => PromiseLike<unknown>) | PromiseLike<unknown>): Promise<unknown> =>
    this.#follow(
      (async () => {
        await (typeof action === 'function' ? action() : action)
        this.#hold(true, () => '')
      })(),
    )

  readonly teardown = (action: () => unknown): void => void this.#teardowns.push(action)

  #follow<T>(running: Promise<T>): Promise<T> {
    this.#pending.add(running)
    running.then(
      () => this.#pending.delete(running),
      (error) => {
        this.#pending.delete(running)
        this.failed(error)
      },
    )
    return running
  }

  #expect(thrown: unknown, expected: Expectation = {}): void {
    const error = thrown as { message?: string; name?: string; code?: unknown }
    const { message } = expected
    if (expected.instanceOf !== undefined) this.#hold(thrown instanceof expected.instanceOf, () => `thrown: ${shown(thrown)}`)
    if ('is' in expected) this.#hold(thrown === expected.is, () => `thrown: ${shown(thrown)}`)
    if (expected.name !== undefined) this.#hold(error?.name === expected.name, () => `thrown: ${shown(thrown)}`)
    if (expected.code !== undefined) this.#hold(error?.code === expected.code, () => `thrown: ${shown(thrown)}`)
    if (message === undefined) return
    const text = String(error?.message)
    const isExpected =
      typeof message === 'string' ? text === message : message instanceof RegExp ? message.test(text) : message(text)
    this.#hold(isExpected, () => `${text} is not ${message}`)
  }

  /** As ava: what was begun has ended, and something was asserted. */
  async end(): Promise<void> {
    await Promise.allSettled(this.#pending)
    if (this.failure === undefined && this.#assertions === 0) this.failure = new Failure('no assertion')
  }

  async tearDown(): Promise<void> {
    for (const action of this.#teardowns.reverse()) {
      try {
        await action()
      } catch (error) {
        this.failed(error)
      }
    }
  }
}

/** As ava: a record without a prototype equals one that has the usual one. */
function isDeepEqual(a: unknown, b: unknown): boolean {
  return isDeepStrictEqual(a, b) || isDeepStrictEqual(withoutPrototypes(a), withoutPrototypes(b))
}

function withoutPrototypes(value: unknown, seen = new Map<object, unknown>()): unknown {
  if (typeof value !== 'object' || value === null) return value
  const known = seen.get(value)
  if (known !== undefined) return known
  const prototype: unknown = Object.getPrototypeOf(value)
  const isList = Array.isArray(value)
  if (!isList && prototype !== null && prototype !== Object.prototype) return value
  const copy = isList ? new Array(value.length) : Object.create(null)
  seen.set(value, copy)
  for (const [key, part] of Object.entries(value)) copy[key] = withoutPrototypes(part, seen)
  return copy
}

function isLike(actual: unknown, expected: unknown): boolean {
  if (expected === null || typeof expected !== 'object') return Object.is(actual, expected)
  if (actual === null || typeof actual !== 'object') return false
  if (Array.isArray(expected) && (!Array.isArray(actual) || actual.length !== expected.length)) return false
  return Object.entries(expected).every(([key, value]) => isLike((actual as Record<string, unknown>)[key], value))
}

function shown(value: unknown): string {
  try {
    return String(typeof value === 'object' ? JSON.stringify(value) : value).slice(0, 200)
  } catch {
    return typeof value
  }
}

type Register = (first: string | Body, ...rest: unknown[]) => void

function hook(list: (file: TestFile) => Body[]): Register & { always: Register; skip: Register } {
  const add: Register = (first, ...rest) => void list(loading).push((typeof first === 'string' ? rest[0] : first) as Body)
  return Object.assign(add, { always: add, skip: () => {} })
}

function register(title: string, body: Body, ...args: unknown[]): void {
  assert(typeof body === 'function', `the test "${title}" has no body`)
  loading.tests.push({ title, body, args })
}

const hooks = {
  before: hook((file) => file.before),
  after: hook((file) => file.after),
  beforeEach: hook((file) => file.beforeEach),
  afterEach: hook((file) => file.afterEach),
}

const test = Object.assign(register, hooks, { serial: Object.assign(register.bind(null), hooks), skip: () => {}, meta: {} })

export default test

/** An operation that runs now and is being recorded (W1). */
import type { MethodKind } from '../../core/model/methods.js'
import {
  answerOf,
  answerWith,
  digestOrNone,
  encodeOperation,
  type RecordedAnswer,
  type RecordedCall,
  type RecordedOperation,
  type Told,
  toldOf,
} from '../../core/model/recordedOperation.js'
import { inScope } from './operationScope.js'

interface MadeCall extends RecordedCall {
  answer: RecordedAnswer | null
}

/** Beyond so many of what it asked for, an operation is too large to be recorded. */
const askedMax = 100_000

/** The beginning of an operation. */
export type BegunOperation = Pick<RecordedOperation, 'label' | 'kind' | 'method' | 'args' | 'caller' | 'atMs'>

/** The recorder, as an operation sees it. */
export interface OperationKeeper {
  keep(operation: OpenOperation): void
  drop(operation: OpenOperation): void
}

export class OpenOperation {
  readonly #nows: number[] = []
  readonly #randoms: number[] = []
  readonly #calls: MadeCall[] = []
  readonly #inside: string[] = []
  #asked = 0
  #told: Told = null

  constructor(
    private readonly begun: BegunOperation,
    private readonly keeper: OperationKeeper,
  ) {}

  get isTooLarge(): boolean {
    return this.#asked > askedMax
  }

  run<T>(work: () => T): T {
    return inScope(this, work)
  }

  now(value: number): void {
    if (this.#isCounted()) this.#nows.push(value)
  }

  random(value: number): void {
    if (this.#isCounted()) this.#randoms.push(value)
  }

  /** A call of it has left. Its answer is to be told when it comes. */
  called(target: string, method: string, kind: MethodKind, args: readonly unknown[]): MadeCall | undefined {
    if (!this.#isCounted()) return undefined
    const call = { target, method, args: digestOrNone(args), isCommand: kind === 'command', answer: null }
    this.#calls.push(call)
    return call
  }

  /** The class is re-entrant, and this method ran inside it. */
  ranInside(method: string): void {
    if (this.#isCounted()) this.#inside.push(method)
  }

  /** The result that its caller is told. Throws `protocol.bad-arguments` for what can't be told. */
  told(value: unknown): void {
    this.#told = toldOf(value)
  }

  /** In one commit with what it wrote. */
  keep(): void {
    this.keeper.keep(this)
  }

  /** It has failed, and left no trace. */
  drop(): void {
    this.keeper.drop(this)
  }

  encoded(bytesBefore: number): Uint8Array {
    return encodeOperation({
      ...this.begun,
      ...{ told: this.#told, nows: this.#nows, randoms: this.#randoms, calls: this.#calls, inside: this.#inside, bytesBefore },
    })
  }

  #isCounted(): boolean {
    return ++this.#asked <= askedMax
  }
}

export function answered(call: MadeCall, value: unknown): void {
  call.answer = answerWith(value)
}

export function failed(call: MadeCall, error: unknown): void {
  call.answer = answerOf(error)
}

/** The asking end: processes that calls.ts starts, asks one question at a time, and stops. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Question, Role } from './agreed.js'

const stopTimeoutMs = 5_000

export class Asked {
  readonly #child: ChildProcess
  readonly #ended: Promise<never>

  /** Resolves when the process is ready for questions. */
  static async start(file: 'caller.js' | 'server.js', role: Role): Promise<Asked> {
    const asked = new Asked(fork(fileURLToPath(new URL(file, import.meta.url)), [JSON.stringify(role)]), `${file} (${role.name})`)
    await asked.#next()
    return asked
  }

  private constructor(child: ChildProcess, what: string) {
    this.#child = child
    this.#ended = once(child, 'exit').then(([code, signal]) => {
      throw new Error(`${what} ended with ${code ?? signal}`)
    })
    this.#ended.catch(() => {})
  }

  ask<Answer>(question: Question): Promise<Answer> {
    const answer = this.#next<Answer>()
    this.#child.send(question)
    return answer
  }

  async stop(): Promise<void> {
    this.#child.send({ ask: 'stop' } satisfies Question)
    const giveUp = setTimeout(() => this.#child.kill('SIGKILL'), stopTimeoutMs)
    await this.#ended.catch(() => {})
    clearTimeout(giveUp)
  }

  async #next<Answer>(): Promise<Answer> {
    const [answer] = await Promise.race([once(this.#child, 'message'), this.#ended])
    return answer as Answer
  }
}

/** The asking end: processes that a bench starts, asks one question at a time, and stops. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Answer, Question, Ready, Role } from './processMessages.js'

const stopTimeoutMs = 5_000
const ownTree = new URL('../', import.meta.url)

export class BenchProcess {
  readonly #child: ChildProcess
  readonly #ended: Promise<never>
  #address: string | null = null

  /** Resolves when the process is ready for questions. `tree`: the bench's files, for another release. */
  static async start(file: 'caller.js' | 'callee.js', role: Role, tree = ownTree): Promise<BenchProcess> {
    const path = new URL(`match/${file}`, tree)
    const asked = new BenchProcess(path, JSON.stringify(role), [], `${file} (${role.name})`)
    asked.#address = (await asked.told<Ready>()).address
    return asked
  }

  /**
   * Starts a process that does one thing, and says first that it is ready for it. Its result is
   * the next it tells.
   */
  static async begin(file: string, order: unknown): Promise<BenchProcess> {
    const asked = new BenchProcess(new URL(file, import.meta.url), JSON.stringify(order), [], file)
    await asked.told<Ready>()
    return asked
  }

  /** Runs a process that does one thing and tells what came of it. */
  static async result<Told>(file: string, order: unknown, execArgv: readonly string[] = [], tree = ownTree): Promise<Told> {
    const asked = new BenchProcess(new URL(file, tree), JSON.stringify(order), execArgv, file)
    try {
      return await asked.told<Told>()
    } finally {
      await asked.stop()
    }
  }

  private constructor(
    file: URL,
    argument: string,
    execArgv: readonly string[],
    readonly what: string,
  ) {
    this.#child = fork(fileURLToPath(file), [argument], { execArgv: [...process.execArgv, ...execArgv] })
    this.#ended = once(this.#child, 'exit').then(([code, signal]) => {
      throw new Error(`${what} ended with ${code ?? signal}`)
    })
    this.#ended.catch(() => {})
  }

  /** Where the process listens. */
  get address(): string | null {
    return this.#address
  }

  ask<Told>(question: Question): Promise<Told> {
    const answer = this.told<Told>()
    this.#child.send(question)
    return answer
  }

  async stop(): Promise<void> {
    if (this.#child.connected) this.#child.send({ ask: 'stop' } satisfies Question)
    const giveUp = setTimeout(() => this.#child.kill('SIGKILL'), stopTimeoutMs)
    await this.#ended.catch(() => {})
    clearTimeout(giveUp)
  }

  /** The next message of the process. */
  async told<Told>(): Promise<Told> {
    const [answer] = (await Promise.race([once(this.#child, 'message'), this.#ended])) as [Answer<Told>]
    if ('failed' in answer) throw new Error(`${this.what}: ${answer.failed}`)
    return answer.told
  }
}

/**
 * The asked end of a bench process: answers question after question until it is told to stop,
 * or is left alone.
 */
import type { Answer, CpuAnswer, Question, Ready, Role } from './processMessages.js'

export interface Member {
  /** Callers only. */
  readonly drive?: (question: Extract<Question, { ask: 'drive' }>) => Promise<unknown>
  /** Callees only, where they are not found by way of nats-server. */
  readonly address?: string
  close(): unknown
}

export async function answerQuestions(start: (role: Role) => Promise<Member>): Promise<void> {
  leaveWithParent()
  const member = await start(JSON.parse(process.argv[2]!) as Role)
  process.on('message', (question: Question) => void answer(member, question))
  tell<Ready>({ address: member.address ?? null })
}

/** A process that is started by a bench ends when that does, and not before. */
function leaveWithParent(): void {
  // Ctrl-C reaches every process: who started this one decides when it ends.
  process.on('SIGINT', () => {})
  // Without the starter the servers are gone, and nothing can be ended in order any more.
  process.on('disconnect', () => process.exit())
}

async function answer(member: Member, question: Question): Promise<void> {
  try {
    switch (question.ask) {
      case 'cpu': {
        const { user, system } = process.cpuUsage()
        tell<CpuAnswer>({ cpuUs: user + system })
        return
      }
      case 'drive':
        tell(await member.drive?.(question))
        return
      case 'stop':
        process.removeAllListeners('disconnect')
        await member.close()
        process.disconnect()
        return
    }
  } catch (error) {
    process.send?.({ failed: String(error) } satisfies Answer<never>)
  }
}

export function tell<Told>(told: Told): void {
  process.send?.({ told } satisfies Answer<Told>)
}

/**
 * A process that does one thing: carries out its order, tells what came of it, and ends. Where the starter
 * waits for it, it says before that it is ready. Nothing is closed in order: the servers end too.
 */
export async function giveResult<Order, Told>(carryOut: (order: Order, ready: () => void) => Promise<Told>): Promise<void> {
  leaveWithParent()
  process.on('message', () => process.exit())
  try {
    tell(await carryOut(JSON.parse(process.argv[2]!) as Order, () => tell<Ready>({ address: null })))
  } catch (error) {
    process.send?.({ failed: String(error) } satisfies Answer<never>)
  }
}

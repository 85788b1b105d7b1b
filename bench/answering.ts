/** The asked end of a bench process: answers question after question until it is told to stop, or is left alone. */
import type { CpuAnswer, Question, Role } from './agreed.js'

export interface Member {
  /** Callers only. */
  readonly drive?: (question: Extract<Question, { ask: 'drive' }>) => Promise<unknown>
  close(): Promise<void>
}

export async function answerQuestions(start: (role: Role) => Promise<Member>): Promise<void> {
  // Ctrl-C reaches every process: calls.ts decides when this one ends.
  process.on('SIGINT', () => {})
  // Without calls.ts the servers are gone, and nothing can be ended in order any more.
  process.on('disconnect', () => process.exit())
  const member = await start(JSON.parse(process.argv[2]!) as Role)
  process.on('message', (question: Question) => void answer(member, question))
  tell({})
}

async function answer(member: Member, question: Question): Promise<void> {
  switch (question.ask) {
    case 'cpu': {
      const { user, system } = process.cpuUsage()
      tell({ cpuUs: user + system } satisfies CpuAnswer)
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
}

function tell(message: unknown): void {
  process.send?.(message)
}

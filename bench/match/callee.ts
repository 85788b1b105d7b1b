/** The callee's process: whoever answers, alone. */
import { connect } from 'nats'
import { moleculerCallees } from '../peers/moleculer.js'
import { answerAsNest } from '../peers/nest.js'
import { answerQuestions, type Member } from '../processes/childProcess.js'
import type { Role } from '../processes/processMessages.js'
import { answerBareCalls } from './contenders/bare.js'
import { answerBatches, envelopeBatching, leanBatching } from './contenders/batches.js'
import { answerAsHops } from './contenders/chains.js'
import { answerAsService } from './contenders/services.js'
import { answerFrames } from './contenders/tcp.js'
import { answerAsTheseus } from './contenders/theseus.js'

const starts: Readonly<Record<string, (role: Role) => Promise<Member>>> = {
  bare: answerAsBare,
  theseus: answerAsTheseus,
  hops: answerAsHops,
  tcp: answerFrames,
  services: ({ natsUrl }) => answerAsService(natsUrl),
  nest: ({ natsUrl }) => answerAsNest(natsUrl),
}

async function answerAsBare({ natsUrl }: Role): Promise<Member> {
  const connection = await connect({ servers: natsUrl })
  answerBareCalls(connection)
  for (const batching of [leanBatching, envelopeBatching]) answerBatches(connection, batching)
  await connection.flush()
  return { close: () => connection.close() }
}

await answerQuestions((role) => starts[role.name]?.(role) ?? moleculerCallees[role.name]!(role.natsUrl))

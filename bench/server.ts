/** The callee's process: the bare subscriber, or the upgrade server and a host with the nodes that are called. */
import { join } from 'node:path'
import { connect } from 'nats'
import { createHost, startUpgradeServer } from 'theseus'
import { lmdb } from 'theseus/lmdb'
import { nats } from 'theseus/nats'
import { redis } from 'theseus/redis'
import { type Role, system } from './agreed.js'
import { answerQuestions, type Member } from './answering.js'
import { answerBareCalls, answerBatches, hearSends, lean, whole } from './bare.js'
import type { Side } from './contenders.js'
import { askedNode, spreadNodes, toldNode, toldNodes, Values } from './values.js'

const starts: Record<Side, (role: Role) => Promise<Member>> = { bare: startBare, theseus: startTheseus }

async function startBare(role: Role): Promise<Member> {
  const connection = await connect({ servers: role.natsUrl })
  answerBareCalls(connection)
  for (const batching of [lean, whole]) answerBatches(connection, batching)
  hearSends(connection)
  await connection.flush()
  return connection
}

async function startTheseus(role: Role): Promise<Member> {
  const ways = { system, transport: nats(role.natsUrl), udb: redis(role.redisUrl) }
  const server = await startUpgradeServer(ways)
  const host = await createHost({
    ...ways,
    hostId: 'callee',
    state: lmdb(join(role.directory, 'state')),
    bundles: join(role.directory, 'bundles'),
  })
  for (const nodeId of [askedNode, toldNode, ...toldNodes, ...spreadNodes]) await host.node(Values, nodeId)
  return {
    close: async () => {
      await host.stop()
      await server.stop()
    },
  }
}

await answerQuestions((role) => starts[role.name as Side](role))

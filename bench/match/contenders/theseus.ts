/** Theseus as a user has it: a host that calls, and one with an upgrade server beside it that answers. */
import { join } from 'node:path'
import { createHost, type RunningHost, startUpgradeServer } from 'theseus-actors'
import { lmdb } from 'theseus-actors/lmdb'
import { memoryStore } from 'theseus-actors/memory'
import { nats } from 'theseus-actors/nats'
import { redis } from 'theseus-actors/redis'
import type { Member } from '../../processes/childProcess.js'
import type { Role } from '../../processes/processMessages.js'
import { type Load, loads } from '../load.js'
import { askedNode, check, checkRecord, keyOf, spreadNodes, toldNode, toldNodes, Values } from '../values.js'
import type { Contender, RunningContender } from './contender.js'

const { one, closed, paced, sends, records } = loads

export const theseusContenders: readonly Contender[] = [
  theseus('Theseus query, 1 node', [one, ...closed, paced, records], asks([askedNode])),
  theseus(`Theseus query, ${spreadNodes.length} nodes`, [...closed, paced, records], asks(spreadNodes)),
  theseus(`Theseus query, ${toldNodes.length} nodes`, closed, asks(spreadNodes.slice(0, toldNodes.length))),
  theseus('Theseus command, root', closed, (host) => {
    const ref = host.ref(Values, toldNode)
    return { call: (n) => ref.put(keyOf(n), `value ${n}`) }
  }),
  theseus(`Theseus command, ${toldNodes.length} nodes`, closed, (host) => {
    const refs = toldNodes.map((nodeId) => host.ref(Values, nodeId))
    return { call: (n) => refs[n % refs.length]!.put(keyOf(n), `value ${n}`) }
  }),
  theseus('Theseus command, collection', closed, (host) => {
    const ref = host.ref(Values, toldNode)
    return { call: (n) => ref.putRecord(keyOf(n), `value ${n}`) }
  }),
]

export const theseusSends: Contender = theseus('Theseus sends, 1 node', [sends], (host) => {
  const sender = host.sender(Values, askedNode)
  const { call } = asks([askedNode])(host)
  return {
    call: async (n) => {
      for (let i = 0; i < sends.sendsBefore!; i++) sender.get(keyOf(i))
      await call(n)
    },
  }
})

function theseus(
  name: string,
  at: readonly Load[],
  callsOver: (host: RunningHost) => Omit<RunningContender, 'close'>,
): Contender {
  return {
    name,
    callee: 'theseus',
    loads: at,
    enter: async (role) => {
      const host = await callingHost(role)
      return { ...callsOver(host), close: () => host.stop() }
    },
  }
}

export function callingHost({ system, natsUrl, redisUrl, directory }: Role): Promise<RunningHost> {
  return createHost({
    system,
    transport: nats(natsUrl),
    udb: redis(redisUrl),
    state: memoryStore(),
    bundles: join(directory, 'bundles'),
  })
}

function asks(nodeIds: readonly string[]): (host: RunningHost) => Omit<RunningContender, 'close'> {
  return (host) => {
    const refs = nodeIds.map((nodeId) => host.ref(Values, nodeId))
    const refFor = (n: number) => refs[n % refs.length]!
    return {
      call: async (n) => {
        const key = keyOf(n)
        check(key, await refFor(n).get(key))
      },
      recordCall: async (n) => checkRecord(n, await refFor(n).record(keyOf(n))),
    }
  }
}

/** The callee: the upgrade server, and a host with the nodes that are called. */
export async function answerAsTheseus(role: Role): Promise<Member> {
  const { host, close } = await hostWithServer(role)
  for (const nodeId of [askedNode, toldNode, ...toldNodes, ...spreadNodes]) await host.node(Values, nodeId)
  return { close }
}

export async function hostWithServer({ system, natsUrl, redisUrl, directory }: Role) {
  const ways = { system, transport: nats(natsUrl), udb: redis(redisUrl) }
  const server = await startUpgradeServer(ways)
  const host = await createHost({
    ...ways,
    hostId: 'callee',
    state: lmdb(join(directory, 'state')),
    bundles: join(directory, 'bundles'),
  })
  const close = async () => {
    await host.stop()
    await server.stop()
  }
  return { host, close }
}

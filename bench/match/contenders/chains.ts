/**
 * The cost of a simulation object for a call: one node that never upgrades, called at versions
 * 0, 1 and 10 of its service.
 */

import type { Member } from '../../processes/childProcess.js'
import type { Role } from '../../processes/processMessages.js'
import { buildCall } from '../../upgrades.js'
import { loads } from '../load.js'
import { askedNode, check, keyOf } from '../values.js'
import type { Contender } from './contender.js'
import { rungs, rungsMax } from './ladder.js'
import { callingHost, hostWithServer } from './theseus.js'

const object = 'the object'

export const hopReferences: readonly string[] = [object]

export const hopContenders: readonly Contender[] = [
  hop(object, 0, 'get'),
  hop('1 SO, delegated', 1, 'get'),
  hop('1 SO, a method of its own', 1, 'look'),
  hop(`${rungsMax} SOs, delegated`, rungsMax, 'get'),
  hop(`${rungsMax} SOs, methods of their own`, rungsMax, 'look'),
]

function hop(name: string, version: number, method: 'get' | 'look'): Contender {
  return {
    name,
    callee: 'hops',
    loads: [loads.one, loads.closed[1]!, loads.paced],
    enter: async (role) => {
      const host = await callingHost(role)
      const ref = host.ref(rungs[version]!, askedNode, { version })
      return {
        call: async (n) => {
          const key = keyOf(n)
          check(key, await ref[method](key))
        },
        close: () => host.stop(),
      }
    },
  }
}

/** The callee: a node with ten future-SOs in its chain. */
export async function answerAsHops(role: Role): Promise<Member> {
  const { host, close } = await hostWithServer(role)
  const node = await host.node(rungs[0]!, askedNode)
  const ladder = new URL('ladder.js', import.meta.url)
  for (let version = 1; version <= rungsMax; version++)
    await host.publish(await buildCall(role.directory, ladder, 'upgradeTo', version))
  const ref = host.ref(rungs[rungsMax]!, askedNode, { version: rungsMax })
  // The call is held until the node has learned of the newest version.
  check(keyOf(0), await ref.look(keyOf(0)))
  if (node.chain.length !== rungsMax + 1) throw new Error(`the chain has ${node.chain.length} links, not ${rungsMax + 1}`)
  return { close }
}

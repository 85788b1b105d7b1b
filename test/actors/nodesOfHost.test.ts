/** The nodes that run on a host, as the parts below them know them. */
import 'reflect-metadata'
import test from 'ava'
import { type NodeOfHost, NodesOfHost } from '../../actors/registration/nodesOfHost.js'
import { gate } from '../support/testSystem.js'

test('a node that another host has is told from when, and is one of this host until it has stopped or is let go', async (t) => {
  const told: string[] = []
  const stopped = gate()
  const nodeOf = (nodeId: string): NodeOfHost => ({
    status: { figures: undefined },
    leaveToOthers: (afterMs) => void told.push(`${nodeId} is left in ${afterMs} ms`),
    stop() {
      told.push(`${nodeId} stops`)
      return stopped.pass()
    },
  })
  const nodes = new NodesOfHost()
  for (const nodeId of ['n1', 'n2']) nodes.add(nodeId, nodeOf(nodeId))
  const taken = nodes.takenElsewhere('n1', 30)
  t.deepEqual(told, ['n1 is left in 30 ms', 'n1 stops'])
  t.true(nodes.has('n1'))
  stopped.open()
  await taken
  t.deepEqual([...nodes.byId.keys()], ['n2'])
  await nodes.takenElsewhere('n3', 0)
  t.is(told.length, 2, 'one that does not run here yet')
  nodes.add('n4', nodeOf('n4'))
  nodes.delete('n2')
  t.deepEqual([...nodes.byId.keys()], ['n4'])
  nodes.clear()
  t.deepEqual([...nodes.all], [])
})

/** Which operations the world plays together. */
import test from 'ava'
import { stepsPlayed } from '../../rehearsal/world/operations/operationGenerator.js'
import type { Step } from '../../rehearsal/world/plan.js'

const stopNode: Step = { atMs: 10, kind: 'stopNode', nodeId: 'n1', forMs: 100 }

test('a node is stopped in every plan but those in which the database loses who has a copied directory', (t) => {
  t.deepEqual(stepsPlayed(['stops'], [], [stopNode], []), [stopNode])
  t.deepEqual(stepsPlayed(['stops', 'moves'], [], [stopNode], []), [stopNode])
  t.deepEqual(stepsPlayed(['stops', 'lostMoves'], [], [stopNode], []), [])
})

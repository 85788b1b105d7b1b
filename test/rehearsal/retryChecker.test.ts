/** The world counts the tries of stalled nodes, and the retries that they were asked for (P4). */
import test from 'ava'
import { RetryChecker } from '../../rehearsal/world/operations/retryChecker.js'

function watching({ mayForget = false, graceMs = 10 } = {}) {
  const found: string[] = []
  let nowMs = 0
  const retries = new RetryChecker(
    mayForget,
    graceMs,
    () => nowMs,
    (rule) => found.push(rule),
  )
  const stalls = () => retries.phase('n1', 'stalled', 1)
  return {
    retries,
    found,
    stalls,
    passes: (ms: number) => {
      nowMs += ms
    },
    triesAgain: () => {
      retries.phase('n1', 'fetching', 1)
      retries.phase('n1', 'scheduled', 1)
      stalls()
      return found.splice(0)
    },
  }
}

const order = (token: string) => [{ kind: 'retry', version: 1, token, since: 0 }] as const

test('a node may try once for each order that the database has while it is stalled', (t) => {
  const { retries, stalls, triesAgain } = watching()
  stalls()
  retries.askedOfVersion(1, 'one')
  t.deepEqual(triesAgain(), [])
  t.deepEqual(triesAgain(), ['P4'])
  retries.askedOfVersion(1, 'two')
  t.deepEqual(triesAgain(), [])
  retries.askedOfVersion(2, 'of another version')
  t.deepEqual(triesAgain(), ['P4'])
})

test('an order that was replaced before a node has stalled is none for it, but for one that a host has just read', (t) => {
  const late = watching()
  late.retries.askedOfVersion(1, 'one')
  late.retries.askedOfVersion(1, 'two')
  late.passes(11)
  late.stalls()
  t.deepEqual([...late.triesAgain(), ...late.triesAgain()], ['P4'])
  const justRead = watching()
  justRead.retries.askedOfVersion(1, 'one')
  justRead.retries.askedOfVersion(1, 'two')
  justRead.passes(10)
  justRead.stalls()
  t.deepEqual([...justRead.triesAgain(), ...justRead.triesAgain()], [])
})

test('an order that a loss brings back is one for those who have not heeded it, and no other', (t) => {
  const heeded = watching()
  heeded.stalls()
  heeded.retries.askedOfVersion(1, 'one')
  t.deepEqual(heeded.triesAgain(), [])
  heeded.retries.askedOfVersion(1, 'two')
  t.deepEqual(heeded.triesAgain(), [])
  heeded.retries.are(order('one'))
  t.deepEqual(heeded.triesAgain(), ['P4'])
  const latecomer = watching()
  latecomer.retries.askedOfVersion(1, 'one')
  latecomer.retries.askedOfVersion(1, 'two')
  latecomer.passes(1_000)
  latecomer.stalls()
  t.deepEqual(latecomer.triesAgain(), [], 'two')
  latecomer.retries.are(order('one'))
  latecomer.passes(1_000)
  t.deepEqual(latecomer.triesAgain(), [], 'one')
  t.deepEqual(latecomer.triesAgain(), ['P4'])
})

test('an order that a loss has taken away is none for a node that stalls later', (t) => {
  const { retries, passes, stalls, triesAgain } = watching()
  retries.askedOfVersion(1, 'one')
  retries.are([])
  passes(11)
  stalls()
  t.deepEqual(triesAgain(), ['P4'])
})

test('an order to the node itself is one more, whenever it tries', (t) => {
  const { retries, passes, stalls, triesAgain } = watching()
  stalls()
  retries.askedOf('n1')
  retries.askedOf('another')
  passes(1_000)
  t.deepEqual(triesAgain(), [])
  t.deepEqual(triesAgain(), ['P4'])
})

test('a node that says again that it is stalled, dies in its try, or goes on has tried nothing', (t) => {
  const { retries, found, stalls, triesAgain } = watching()
  stalls()
  stalls()
  retries.phase('n1', 'fetching', 1)
  retries.died('n1')
  stalls()
  retries.phase('n1', 'fetching', 1)
  retries.phase('n1', 'current', null)
  stalls()
  retries.phase('n1', 'fetching', 2)
  stalls()
  t.deepEqual(found, [])
  t.deepEqual(triesAgain(), ['P4'])
})

test('a node whose disk is an old one knows nothing of what it has heeded; where disks lose records nothing is asked', (t) => {
  const { retries, stalls, triesAgain } = watching()
  stalls()
  retries.askedOfVersion(1, 'one')
  t.deepEqual(triesAgain(), [])
  retries.restored('n1')
  t.deepEqual(triesAgain(), [])
  t.deepEqual(triesAgain(), ['P4'])
  const forgetting = watching({ mayForget: true })
  forgetting.stalls()
  t.deepEqual(forgetting.triesAgain(), [])
})

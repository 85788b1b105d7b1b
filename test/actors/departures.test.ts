/** The border of a node: nothing leaves before all that it may have seen is on disk (C12). */
import 'reflect-metadata'
import test from 'ava'
import { Departure, Departures } from '../../actors/state/departures.js'
import type { Waiter } from '../../actors/state/journal.js'

const early = (what: string) => `C12: ${what} would leave before what it has seen is on disk`

const messageOf = (call: Promise<void>) =>
  call.then(
    () => 'done',
    (error: Error) => error.message,
  )

function open() {
  const waiting: Waiter[] = []
  const told: string[] = []
  const disk = { batch: 1, onDisk: 0, isCommitted: true, writes: false }
  const state = {
    get batch() {
      return disk.batch
    },
    get isCommitted() {
      return disk.isCommitted
    },
    isOnDisk: (batch: number) => batch <= disk.onDisk,
    whenCommitted: (waiter: Waiter) => void waiting.push(waiter),
    keep() {
      if (disk.writes) disk.batch++
      return true
    },
  }
  const held: (() => void)[] = []
  const node = {
    nodeId: 'n1',
    isElsewhere: false,
    isFenced: false,
    holds(goOn: () => void) {
      if (node.isFenced) held.push(goOn)
      return node.isFenced
    },
    crash: (error: unknown) => void told.push((error as Error).message),
  }
  const departures = new Departures(state, node)
  const add = (name: string) =>
    departures.add(
      new (class extends Departure {
        override readonly name = name
        override leave(): void {
          told.push(`${name} leaves`)
        }
        override lost(error: unknown): void {
          told.push(`${name} is lost: ${(error as Error).message}`)
        }
      })(),
    )
  return {
    ...{ departures, disk, node, told, add },
    /** Its host knows again that it has the node. */
    opened() {
      node.isFenced = false
      for (const goOn of held.splice(0)) goOn()
    },
    /** As the journal says it. */
    committed(onDisk: number, error?: Error) {
      disk.onDisk = onDisk
      for (const waiter of waiting.splice(0)) waiter.settled(error)
    },
  }
}

test('what leaves waits for the batch that it may have seen, in its order', (t) => {
  const s = open()
  s.add('first')
  s.departures.addSends([() => s.told.push('sent'), () => s.told.push('sent too')])
  s.add('last')
  t.deepEqual(s.told, [])
  s.committed(1)
  t.deepEqual(s.told, ['first leaves', 'sent', 'sent too', 'last leaves'])
})

test('what has seen a lost write is told, and messages of that are dropped', async (t) => {
  const s = open()
  s.add('answer')
  s.departures.addSends([() => t.fail('it is lost')])
  const call = messageOf(s.departures.mayCall())
  s.committed(0, new Error('disk full'))
  t.deepEqual(s.told, ['answer is lost: disk full'])
  t.is(await call, 'disk full')
})

test('nothing leaves of a node that another host has, nor hears anybody that it is lost; its methods hear of it', async (t) => {
  const s = open()
  s.add('answer')
  s.departures.addSends([() => t.fail('another host has the node')])
  const call = messageOf(s.departures.mayCall())
  s.node.isElsewhere = true
  s.committed(1)
  t.is(await call, 'another host has node n1: it makes no call from here any more')
  s.add('answer')
  s.committed(1, new Error('disk full'))
  t.deepEqual(s.told, [])
})

test('H4: nothing leaves while its host does not know that it has the node, also what is on disk or lost', async (t) => {
  const s = open()
  s.add('answer')
  s.departures.addSends([() => s.told.push('sent')])
  const call = messageOf(s.departures.mayCall()).then((how) => void s.told.push(how))
  s.node.isFenced = true
  t.false(s.departures.isOpen)
  s.committed(1)
  s.add('refusal')
  s.committed(1, new Error('the journal is closed'))
  t.deepEqual(s.told, [])
  s.opened()
  await call
  t.true(s.departures.isOpen)
  t.deepEqual(s.told, ['answer leaves', 'sent', 'refusal is lost: the journal is closed', 'done'])
})

test('C12: what would leave too early stays, and restarts the node', async (t) => {
  const s = open()
  s.add('the answer')
  s.departures.addSends([() => t.fail('it is too early')])
  const call = messageOf(s.departures.mayCall())
  s.committed(0)
  t.deepEqual(s.told, ['the answer', 'a message of n1', 'a call of n1'].map(early))
  t.is(await call, early('a call of n1'))
})

test('what leaves later need not wait for what is written after it', (t) => {
  const s = open()
  s.add('answer')
  s.disk.batch = 2
  s.committed(1)
  t.deepEqual(s.told, ['answer leaves'])
})

test('C12: a query ends at once where it has written nothing', (t) => {
  const s = open()
  t.true(s.departures.isOpen)
  t.true(s.departures.keepAtOnce(1))
  s.disk.writes = true
  t.false(s.departures.keepAtOnce(1))
  s.disk.isCommitted = false
  t.false(s.departures.isOpen)
})

/** The mailbox of one node: one turn at a time, in the order in which they came (C2). */
import test from 'ava'
import { Mailbox } from '../../actors/serving/mailbox.js'
import { ownerOf } from './mailboxOwner.js'
import { ManualClock } from './manualClock.js'

function open(turnsMax = 10_000, holds?: (goOn: () => void) => boolean) {
  const clock = new ManualClock()
  const thrown: unknown[] = []
  const mailbox = new Mailbox(
    clock,
    turnsMax,
    ownerOf((error) => void thrown.push(error), holds),
  )
  const log: string[] = []
  return { clock, mailbox, log, thrown, turn: (name: string) => ({ run: () => void log.push(name) }) }
}

/** A turn that runs until it is told to end. */
function longTurn(log: string[], name: string) {
  let end!: () => void
  let fail!: (error: Error) => void
  const ended = new Promise<void>((resolve, reject) => {
    end = resolve
    fail = reject
  })
  const turn = {
    run: () => {
      log.push(name)
      return ended
    },
  }
  return { turn, end, fail }
}

const endOfTurn = () => new Promise((resolve) => setImmediate(resolve))

test('turns wait while it is closed, and run in their order when it opens', (t) => {
  const { mailbox, log, turn } = open()
  for (const name of ['a', 'b', 'c']) mailbox.post(turn(name))
  t.is(mailbox.waiting, 3)
  t.false(mailbox.isOpen)
  t.deepEqual(log, [])
  t.is(mailbox.turns().length, 3)
  mailbox.open()
  t.true(mailbox.isOpen)
  t.deepEqual(log, ['a', 'b', 'c'])
  t.is(mailbox.waiting, 0)
  t.is(mailbox.turns().length, 0)
})

test('a turn that is posted to an open, idle mailbox runs at once', (t) => {
  const { mailbox, log, turn } = open()
  mailbox.open()
  mailbox.post(turn('a'))
  t.deepEqual(log, ['a'])
  t.is(mailbox.running, undefined)
})

test('while a turn runs, the others wait for its end', async (t) => {
  const { mailbox, log, turn } = open()
  mailbox.open()
  const long = longTurn(log, 'long')
  mailbox.post(long.turn)
  mailbox.post(turn('next'))
  mailbox.add(turn('after'))
  await endOfTurn()
  t.deepEqual(log, ['long'])
  t.is(mailbox.running, long.turn)
  t.is(mailbox.waiting, 2)
  long.end()
  await endOfTurn()
  t.deepEqual(log, ['long', 'next', 'after'])
  t.is(mailbox.running, undefined)
})

test('turns that have waited run one at a time: each begins when the one before it has ended (C2)', async (t) => {
  const { mailbox, log, turn } = open()
  const [first, second] = [longTurn(log, 'first'), longTurn(log, 'second')]
  for (const each of [first.turn, second.turn, turn('third')]) mailbox.post(each)
  mailbox.open()
  t.deepEqual(log, ['first'])
  first.end()
  await endOfTurn()
  t.deepEqual(log, ['first', 'second'])
  second.end()
  await endOfTurn()
  t.deepEqual(log, ['first', 'second', 'third'])
})

test('a turn that closes the mailbox is the last one until it opens again', (t) => {
  const { mailbox, log, turn } = open()
  mailbox.post({
    run() {
      log.push('closes')
      void mailbox.close()
    },
  })
  mailbox.post(turn('held'))
  mailbox.open()
  t.deepEqual(log, ['closes'])
  t.is(mailbox.waiting, 1)
  mailbox.open()
  t.deepEqual(log, ['closes', 'held'])
})

test('what a turn posts runs after it, and not inside it', (t) => {
  const { mailbox, log, turn } = open()
  mailbox.open()
  mailbox.post({
    run() {
      log.push('begins')
      mailbox.post(turn('posted'))
      log.push('ends')
    },
  })
  t.deepEqual(log, ['begins', 'ends', 'posted'])
})

test('close holds the turns that wait, and resolves when the one that runs has ended', async (t) => {
  const { mailbox, log, turn } = open()
  mailbox.open()
  const long = longTurn(log, 'long')
  mailbox.post(long.turn)
  mailbox.post(turn('held'))
  let isClosed = false
  const closed = mailbox.close().then(() => {
    isClosed = true
  })
  await endOfTurn()
  t.false(isClosed)
  long.end()
  await closed
  await endOfTurn()
  t.deepEqual(log, ['long'])
  t.is(mailbox.waiting, 1)
  await mailbox.close()
  mailbox.open()
  t.deepEqual(log, ['long', 'held'])
})

test('a closed mailbox runs the turns that it admits, before and after they come, one at a time, and no others', async (t) => {
  const { mailbox, log, turn } = open()
  mailbox.open()
  const long = longTurn(log, 'long')
  const [early, late, other] = [longTurn(log, 'early'), turn('late'), turn('other')]
  mailbox.post(long.turn)
  mailbox.post(other)
  mailbox.post(early.turn)
  const drained = mailbox.close((each) => each === early.turn || each === late)
  mailbox.post(late)
  t.deepEqual(log, ['long'])
  long.end()
  await drained
  await endOfTurn()
  t.is(mailbox.running, early.turn)
  early.end()
  await mailbox.finished()
  await endOfTurn()
  t.deepEqual(log, ['long', 'early', 'late'])
  t.is(mailbox.waiting, 1)
  // Closed once more it admits none, and open again all.
  void mailbox.close()
  mailbox.post(late)
  t.is(mailbox.waiting, 2)
  mailbox.open()
  t.deepEqual(log, ['long', 'early', 'late', 'other', 'late'])
})

test('all who close a mailbox, or wait for an idle one, hear of the end of the turn that runs', async (t) => {
  const { mailbox, log } = open()
  const running = longTurn(log, 'one')
  mailbox.open()
  mailbox.post(running.turn)
  const waiting = Promise.all([mailbox.whenIdle(), mailbox.close(), mailbox.close(), mailbox.whenIdle()])
  running.end()
  t.is((await waiting).length, 4)
  t.true(mailbox.isIdle)
})

test('one more turn than there may wait is refused, and work of the runtime is not', (t) => {
  const { mailbox, turn, log } = open(2)
  mailbox.post(turn('a'))
  mailbox.post(turn('b'))
  t.throws(() => mailbox.post(turn('c')), { code: 'unavailable.overloaded', message: /2 calls wait/ })
  mailbox.add(turn('d'))
  mailbox.open()
  t.deepEqual(log, ['a', 'b', 'd'])
})

test('the queue of a mailbox that was given out in part goes on in its order, however long it was', (t) => {
  const { clock, mailbox, log, turn } = open()
  const names = Array.from({ length: 3000 }, (_, i) => `${i}`)
  for (const name of names) mailbox.post(turn(name))
  mailbox.open()
  // As it goes, more come: its list is made shorter meanwhile.
  for (let turns = 0; mailbox.waiting > 0 && turns < 100; turns++) {
    const late = `late ${turns}`
    names.push(late)
    mailbox.post(turn(late))
    clock.endTurn()
  }
  t.is(mailbox.waiting, 0)
  t.deepEqual(log, names)
  mailbox.post(turn('last'))
  t.is(log.at(-1), 'last')
})

test('after some hundred turns in one go the rest of the host has its chance, and then it goes on', (t) => {
  const { clock, mailbox, log, turn } = open()
  for (let i = 0; i < 600; i++) mailbox.post(turn(`${i}`))
  mailbox.open()
  t.is(log.length, 256)
  // A turn that is posted meanwhile waits behind the others.
  mailbox.post(turn('later'))
  t.is(log.length, 512)
  clock.endTurn()
  t.is(log.length, 601)
  t.is(log.at(-1), 'later')
})

test('however many turns wait, the rest of the host has its chance again and again until all have run', (t) => {
  const { clock, mailbox, log, turn } = open()
  for (let i = 0; i < 1000; i++) mailbox.post(turn(`${i}`))
  mailbox.open()
  clock.endTurn()
  t.deepEqual(
    log,
    Array.from({ length: 1000 }, (_, i) => `${i}`),
  )
})

test('between two goes the mailbox is not idle; it is when it closes, and what waits can be taken out', async (t) => {
  const { clock, mailbox, log, turn } = open()
  for (let i = 0; i < 300; i++) mailbox.post(turn(`${i}`))
  mailbox.open()
  t.false(mailbox.isIdle)
  const idle = mailbox.whenIdle()
  void mailbox.close()
  await idle
  const left = mailbox.clear()
  t.is(left.length, 44)
  for (const each of left) void each.run()
  t.is(log.at(-1), '299')
  mailbox.post(turn('later'))
  mailbox.open()
  clock.endTurn()
  t.is(log.at(-1), 'later')
  t.is(mailbox.waiting, 0)
})

test('work that is added to an idle mailbox runs at once', (t) => {
  const { mailbox, log, turn } = open()
  mailbox.open()
  mailbox.add(turn('a'))
  t.deepEqual(log, ['a'])
})

test('a mailbox that was closed before it went on stays closed', (t) => {
  const { clock, mailbox, log, turn } = open()
  for (let i = 0; i < 300; i++) mailbox.post(turn(`${i}`))
  mailbox.open()
  void mailbox.close()
  clock.endTurn()
  t.is(log.length, 256)
  t.is(mailbox.waiting, 44)
  mailbox.open()
  t.is(log.length, 300)
})

test('it is idle when nothing runs and nothing waits that could', async (t) => {
  const { mailbox, log, turn } = open()
  t.true(mailbox.isIdle)
  await mailbox.whenIdle()
  mailbox.open()
  const [long, second] = [longTurn(log, 'long'), longTurn(log, 'second')]
  mailbox.post(long.turn)
  mailbox.post(second.turn)
  t.false(mailbox.isIdle)
  let idle = 0
  const waits = [mailbox.whenIdle(), mailbox.whenIdle()].map((wait) => wait.then(() => idle++))
  long.end()
  await endOfTurn()
  t.is(idle, 0)
  // The second runs, and nothing waits.
  t.is(mailbox.waiting, 0)
  t.false(mailbox.isIdle)
  second.end()
  await Promise.all(waits)
  t.true(mailbox.isIdle)
  // Closed, what waits can't run.
  void mailbox.close()
  mailbox.post(turn('held'))
  t.true(mailbox.isIdle)
})

test('who waits for an idle mailbox hears of it when it closes with turns that wait', async (t) => {
  const { mailbox, log, turn } = open()
  mailbox.open()
  const long = longTurn(log, 'long')
  mailbox.post(long.turn)
  mailbox.post(turn('held'))
  const idle = mailbox.whenIdle()
  void mailbox.close()
  long.end()
  await idle
  t.deepEqual(log, ['long'])
})

test('what waits can be taken out, and what comes later runs', (t) => {
  const { mailbox, log, turn } = open()
  for (const name of ['a', 'b']) mailbox.post(turn(name))
  const [a, b] = mailbox.turns()
  t.deepEqual(mailbox.clear(), [a!, b!])
  t.is(mailbox.waiting, 0)
  mailbox.post(turn('c'))
  mailbox.open()
  t.deepEqual(log, ['c'])
})

test('work of the runtime is a turn among the calls, and its caller hears how it ended', async (t) => {
  const { mailbox, log, turn, thrown } = open()
  mailbox.post(turn('before'))
  const worked = mailbox.turn(async () => {
    log.push('work')
    return 5
  })
  const failed = mailbox.turn(() => {
    throw new Error('no')
  })
  mailbox.post(turn('after'))
  mailbox.open()
  t.is(await worked, 5)
  await t.throwsAsync(failed, { message: 'no' })
  await endOfTurn()
  t.deepEqual(log, ['before', 'work', 'after'])
  t.deepEqual(thrown, [])
})

test('a turn that throws, now or later, is told, and the mailbox goes on', async (t) => {
  const { mailbox, log, turn, thrown } = open()
  const long = longTurn(log, 'long')
  mailbox.open()
  mailbox.post({
    run() {
      throw new Error('at once')
    },
  })
  mailbox.post(long.turn)
  mailbox.post(turn('next'))
  long.fail(new Error('later'))
  await endOfTurn()
  t.deepEqual(
    thrown.map((error) => (error as Error).message),
    ['at once', 'later'],
  )
  t.deepEqual(log, ['long', 'next'])
})

/** A turn that has waited is held until `goOn`; `asked` counts the questions. */
function fenced() {
  const fence = { isUp: true, asked: 0, goOn: () => {} }
  const opened = open(10_000, (goOn) => {
    fence.asked++
    fence.goOn = goOn
    return fence.isUp
  })
  return { ...opened, fence }
}

test('what has waited is held while nothing that has waited may run, and runs in its order afterwards', (t) => {
  const { mailbox, log, turn, fence } = fenced()
  mailbox.post(turn('a'))
  mailbox.open()
  mailbox.post(turn('b'))
  mailbox.add(turn('c'))
  t.deepEqual(log, [])
  t.is(mailbox.waiting, 3)
  fence.isUp = false
  fence.goOn()
  t.deepEqual(log, ['a', 'b', 'c'])
})

test('a mailbox asks once whether what has waited may run, however much comes, until it may', (t) => {
  const { mailbox, turn, fence } = fenced()
  for (let i = 0; i < 5; i++) mailbox.post(turn(`${i}`))
  mailbox.open()
  for (let i = 0; i < 5; i++) mailbox.post(turn(`more ${i}`))
  t.is(fence.asked, 1)
  // It goes on to ask again: another gap may have come.
  fence.goOn()
  t.is(fence.asked, 2)
  t.is(mailbox.waiting, 10)
})

test('a mailbox that could run nothing anyway does not ask whether it may', async (t) => {
  const { mailbox, log, turn, fence } = fenced()
  mailbox.open()
  const long = longTurn(log, 'long')
  mailbox.post(long.turn)
  mailbox.post(turn('behind it'))
  t.is(fence.asked, 0, 'a turn runs')
  void mailbox.close()
  long.end()
  await endOfTurn()
  mailbox.post(turn('closed'))
  t.is(fence.asked, 0, 'it is closed')
  mailbox.clear()
  mailbox.open()
  t.is(fence.asked, 0, 'nothing waits')
})

test('work at the opening is done in its order when the mailbox opens, before what waits, and its result is told', async (t) => {
  const { mailbox, log, turn } = open()
  mailbox.post(turn('waiting'))
  const works = [
    mailbox.atOpening(() => {
      log.push('first work')
      return 1
    }),
    mailbox.atOpening(async () => {
      log.push('second work')
      return 2
    }),
  ]
  const failing = [
    mailbox.atOpening(() => {
      throw new Error('at once')
    }),
    mailbox.atOpening(async () => {
      throw new Error('later')
    }),
  ]
  t.deepEqual(log, [])
  mailbox.open()
  t.deepEqual(log, ['first work', 'second work', 'waiting'])
  t.deepEqual(await Promise.all(works), [1, 2])
  await t.throwsAsync(failing[0]!, { message: 'at once' })
  await t.throwsAsync(failing[1]!, { message: 'later' })
  // Once is enough.
  void mailbox.close()
  mailbox.open()
  t.is(log.length, 3)
})

test('work at the opening is done beside a turn that did not end while the mailbox was closed', async (t) => {
  const { mailbox, log } = open()
  mailbox.open()
  const long = longTurn(log, 'long')
  mailbox.post(long.turn)
  void mailbox.close()
  const work = mailbox.atOpening(() => log.push('work'))
  mailbox.open()
  await work
  t.deepEqual(log, ['long', 'work'])
  t.is(mailbox.running, long.turn)
})

test('C2: a turn that ends a second time ends nothing, and it is told', (t) => {
  const { mailbox, log, thrown } = open()
  mailbox.open()
  const long = longTurn(log, 'long')
  let endFirst!: () => void
  const twice = new Promise<void>(() => {})
  const then = (end: () => void) => {
    endFirst = end
  }
  Object.defineProperty(twice, 'then', { value: then })
  mailbox.post({ run: () => twice })
  endFirst()
  mailbox.post(long.turn)
  endFirst()
  t.is(mailbox.running, long.turn)
  t.regex(String(thrown[0]), /C2/)
})

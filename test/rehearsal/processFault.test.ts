/**
 * A process of the world that is frozen does nothing until it goes on; one that is killed does
 * nothing any more.
 */
import test from 'ava'
import { ProcessFault } from '../../rehearsal/world/processFault.js'
import { VirtualTime } from '../../rehearsal/world/virtualTime.js'
import { MemoryBroker, memoryDatabase, memoryTransport, seededRandom } from '../../transports/memory/index.js'

function setUp() {
  const time = new VirtualTime(0)
  const heard: string[] = []
  const processFault = new ProcessFault('h1', time)
  const pass = (ms: number) => time.run(time.now() + ms, () => false)
  return { time, heard, processFault, pass }
}

test('timers, messages, answers and disk writes of a frozen process wait until it goes on, in their order', async (t) => {
  const { time, heard, processFault, pass } = setUp()
  const broker = new MemoryBroker({ clock: time, random: seededRandom(1) })
  const transport = processFault.connected(memoryTransport(broker))
  transport.subscribe('here', () => heard.push('message'))
  const database = processFault.database(await memoryDatabase().open('world', time), async (request) => {
    await time.sleep(1)
    return request()
  })
  const thaw = processFault.freeze()
  processFault.clock.after(5, () => heard.push('timer'))
  processFault.turn(() => heard.push('turn'))
  void database.head().then(() => heard.push('answer'))
  time.turn(() => processFault.whenWriting(() => heard.push('write')))
  memoryTransport(broker).publish('here', new Uint8Array())
  await pass(100)
  t.deepEqual(heard, [])
  thaw()
  await pass(100)
  t.deepEqual([...heard].sort(), ['answer', 'message', 'timer', 'turn', 'write'])
})

test('a process that was frozen is silent until the database has carried something out for it', async (t) => {
  const { time, processFault, pass } = setUp()
  const database = processFault.database(await memoryDatabase().open('world', time), (request) => request())
  t.false(processFault.isSilent)
  const thaw = processFault.freeze()
  void database.head()
  await pass(10)
  thaw()
  await pass(10)
  t.true(processFault.isSilent)
  void database.head()
  await pass(10)
  t.true(processFault.isSilent, 'others may still hear what it said before')
  await pass(50)
  t.false(processFault.isSilent)
})

test('a timer that came due while its process was frozen can still be cancelled by what runs before it', async (t) => {
  const { heard, processFault, pass } = setUp()
  let cancel = () => {}
  processFault.clock.after(1, () => cancel())
  cancel = processFault.clock.after(2, () => heard.push('cancelled'))
  const thaw = processFault.freeze()
  await pass(10)
  thaw()
  await pass(10)
  t.deepEqual(heard, [])
})

test('a process goes on when the last of its freezes is over, and not at all when it was killed meanwhile', async (t) => {
  const { heard, processFault, pass } = setUp()
  const [first, second] = [processFault.freeze(), processFault.freeze()]
  processFault.clock.after(1, () => heard.push('once'))
  await pass(10)
  first()
  await pass(10)
  t.deepEqual(heard, [])
  second()
  await pass(10)
  t.deepEqual(heard, ['once'])
  const third = processFault.freeze()
  processFault.clock.after(1, () => heard.push('twice'))
  await pass(10)
  processFault.cut()
  third()
  await pass(10)
  t.deepEqual(heard, ['once'])
})

test('a clock that is set tells another time, and its timers go on as they were', async (t) => {
  const time = new VirtualTime(1_000)
  const skew = { ms: 0 }
  const { clock } = new ProcessFault('h1', time, skew)
  const heard: number[] = []
  clock.after(5, () => heard.push(clock.now()))
  skew.ms = -900
  await time.run(2_000, () => false)
  t.deepEqual(heard, [105])
})

/**
 * The answers of an object and the simulation objects over it: whose method runs, what is refused (C6), and
 * what crosses between them.
 */
import test from 'ava'
import { Fault } from '../../core/base/fault.js'
import { invoke, nextObject, objectTable, type Receiver, restrictedTable, simulationTable } from '../../core/model/methodTable.js'
import { describeClass } from '../../core/model/nodeObject.js'
import type { Simulation } from '../../core/model/simulation.js'
import { applicationFault, command, NodeObject, pastSO, query } from '../../index.js'

class V2 extends NodeObject<{ list: number[] }> {
  static override readonly className = 'Box.v2'
  @query get(): unknown {
    return this.state.list
  }
  @command put(value: unknown): unknown {
    return [value, this.state]
  }
  @query fails(error: unknown): unknown {
    throw error
  }
  @query later(answer: unknown): unknown {
    return answer
  }
}
class V1 extends NodeObject {
  static override readonly className = 'Box.v1'
  @query get(): unknown {
    return 1
  }
  @command put(_value: unknown): unknown {
    return 1
  }
  @query size(): unknown {
    return 1
  }
  @command old(): unknown {
    return 1
  }
}
const [v1, v2] = [describeClass(V1), describeClass(V2)]
const simulation = pastSO as unknown as (parts: object) => Simulation
const own = function (this: { name: string }, ...args: unknown[]) {
  return [this.name, ...args]
}
const so = simulation({ simulates: V1, over: V2, delegates: ['get', 'put'], refuses: ['old'], methods: { size: own } })

/** A table of its own: it is made as often as this is called. */
const boxTable = () => objectTable({ ...v2 })

const receiver = (self: object): Receiver & { touched: number } => ({
  self,
  touched: 0,
  touch() {
    this.touched++
  },
})

test('an object answers its methods itself, and a command touches its state', (t) => {
  const table = boxTable()
  t.is(table.level, 0)
  t.deepEqual(
    [...table.entries].map(([name, { kind, hops, level, touches }]) => [name, kind, hops, level, touches]),
    [
      ['get', 'query', 0, 0, false],
      ['put', 'command', 0, 0, true],
      ['fails', 'query', 0, 0, false],
      ['later', 'query', 0, 0, false],
    ],
  )
  const object = receiver({ state: { list: [1] } })
  t.deepEqual(invoke(table.entries.get('get')!, [object], []), [1])
  t.is(object.touched, 0)
  t.deepEqual(invoke(table.entries.get('put')!, [object], ['v']), ['v', { list: [1] }])
  t.is(object.touched, 1)
})

test('a table is made once for all nodes of a class', (t) => {
  t.is(objectTable(v2), objectTable(v2))
  const over = simulationTable(so, v1, objectTable(v2))
  t.is(simulationTable(so, v1, objectTable(v2)), over)
  t.is(restrictedTable(over, v1), restrictedTable(over, v1))
  t.is(nextObject(over), nextObject(over))
  t.not(simulationTable({ ...so }, v1, objectTable(v2)), over)
  t.not(boxTable(), boxTable())
})

test('a simulation object passes on, does itself, or refuses: each a hop further', (t) => {
  const first = simulationTable(so, v1, boxTable())
  t.is(first.level, 1)
  const rows = [...first.entries].map(([name, { kind, hops, level, touches }]) => [name, kind, hops, level, touches])
  t.deepEqual(rows, [
    ['get', 'query', 1, 0, false],
    ['put', 'command', 1, 0, true],
    ['size', 'query', 1, 1, false],
    ['old', 'command', 1, 1, false],
  ])
  const receivers = [receiver({ state: { list: [7] } }), receiver({ name: 'past-SO' })]
  t.deepEqual(invoke(first.entries.get('get')!, receivers, []), [7])
  t.deepEqual(invoke(first.entries.get('size')!, receivers, [1, 2]), ['past-SO', 1, 2])
  const fault = t.throws<Fault>(() => invoke(first.entries.get('old')!, receivers, []), { code: 'simulation.refused' })
  t.is(fault!.message, "Box.v1.old can't be carried out on Box.v2")
  t.deepEqual(fault!.details, { method: 'old', simulates: 'Box.v1', over: 'Box.v2' })
  t.deepEqual(
    receivers.map(({ touched }) => touched),
    [0, 0],
  )
  // One over that one: its own is at its level, what both pass on is still the object's, two hops away.
  const second = simulationTable({ ...so, delegates: ['get', 'put', 'old'], refuses: [] }, v1, first)
  t.is(second.level, 2)
  t.deepEqual([second.entries.get('get')!.hops, second.entries.get('get')!.level], [2, 0])
  t.deepEqual([second.entries.get('size')!.hops, second.entries.get('size')!.level], [1, 2])
  // A call that the next one refuses is refused by it.
  t.throws(() => invoke(second.entries.get('old')!, receivers, []), { code: 'simulation.refused' })
})

test('a delegated method that the next object has lost is refused; the kind is that of the version that is asked', (t) => {
  const restricted = restrictedTable(objectTable(v2), v1)
  t.deepEqual([...restricted.entries.keys()], ['get', 'put'])
  t.is(restricted.level, 0)
  const table = simulationTable({ ...so, delegates: ['get', 'put', 'old'], refuses: [] }, v1, restricted)
  t.throws(() => invoke(table.entries.get('old')!, [receiver({}), receiver({})], []), { code: 'simulation.refused' })
  // A refused call is refused, although the next object could carry it out.
  const refusing = simulationTable({ ...so, delegates: ['put'], refuses: ['get', 'old'] }, v1, boxTable())
  t.throws(() => invoke(refusing.entries.get('get')!, [receiver({}), receiver({})], []), { code: 'simulation.refused' })
  const turned = { ...v1, methods: new Map([['get', 'command' as const]]) }
  t.is(simulationTable({ ...so, methods: {} }, turned, objectTable(v2)).entries.get('get')!.kind, 'command')
})

test('C6: what is refused and carried out as well is a bug of ours', (t) => {
  const both = { ...so, delegates: ['get', 'put'], refuses: ['get', 'old'] }
  t.throws(() => simulationTable(both, v1, objectTable(v2)), { message: 'C6: Box.v1.get is refused and carried out' })
  t.throws(() => simulationTable({ ...so, refuses: ['size', 'old'] }, v1, objectTable(v2)), { message: /^C6: Box\.v1\.size/ })
})

type Next = Record<string, (...args: unknown[]) => Promise<unknown>>
const nextOver = (state: object, level = 0) => {
  const object = Object.assign(receiver({ state }), {})
  const table = level === 0 ? objectTable(v2) : simulationTable(so, v1, objectTable(v2))
  return new (nextObject(table))([object, receiver({ name: 'past-SO' })]) as Next
}

test('`next` answers with promises, and has the methods of the next object and no others', async (t) => {
  const next = nextOver({ list: [1] })
  t.deepEqual(Object.getOwnPropertyNames(Object.getPrototypeOf(next)).sort(), ['constructor', 'fails', 'get', 'later', 'put'])
  t.true(next.get!() instanceof Promise)
  t.is(await next.later!(7), 7)
  t.is(await nextOver({}, 1).size!().then((answer) => (answer as unknown[])[0]), 'past-SO')
  await t.throwsAsync(async () => await nextOver({}, 1).old!(), { code: 'simulation.refused' })
})

test('what crosses between two objects is a copy, in both directions, also when it comes later', async (t) => {
  const state = { list: [1, 2] }
  const next = nextOver(state)
  ;((await next.get!()) as number[]).push(3)
  t.deepEqual(state.list, [1, 2])
  const given = { a: [1] }
  const [arrived] = (await next.put!(given)) as [{ a: number[] }]
  arrived.a.push(2)
  t.deepEqual(given, { a: [1] })
  let seen: unknown
  class Keeps extends NodeObject {
    static override readonly className = 'Keeps.v1'
    @command keep(_first: unknown, value: unknown): unknown {
      seen = value
      return Promise.resolve(value)
    }
  }
  const keeps = new (nextObject(objectTable(describeClass(Keeps))))([receiver({})]) as Next
  const answered = await keeps.keep!('text', given)
  t.deepEqual([seen, answered], [given, given])
  t.not(seen, given)
  t.not(answered, seen)
})

test('what can’t cross is refused: functions and classes, as an argument and as an answer', async (t) => {
  const next = nextOver({ list: [] })
  await t.throwsAsync(
    next.put!(() => 1),
    { code: 'protocol.bad-arguments', message: /an argument/ },
  )
  await t.throwsAsync(next.put!(new (class Odd {})()), { code: 'protocol.bad-arguments', message: /an argument/ })
  await t.throwsAsync(nextOver({ list: new Map() }).get!(), { code: 'protocol.bad-arguments', message: /the result/ })
  await t.throwsAsync(nextOver({ list: () => 1 }).get!(), { code: 'protocol.bad-arguments', message: /the result/ })
})

test('an answer that nobody can change is passed on as the promise that it is, through any number of objects', async (t) => {
  const made = nextOver({ list: 'text' }).get!()
  class Passes extends NodeObject {
    static override readonly className = 'Passes.v1'
    @query pass(): unknown {
      return made
    }
    @query other(): unknown {
      return Promise.resolve('text')
    }
  }
  const next = new (nextObject(objectTable(describeClass(Passes))))([receiver({})]) as Next
  t.is(next.pass!(), made)
  t.is(await next.other!(), 'text')
  // A record can be changed, and so can what a promise of the user's own brings.
  const changeable = nextOver({ list: [1] }).get!()
  class PassesRecord extends NodeObject {
    static override readonly className = 'Passes.v2'
    @query pass(): unknown {
      return changeable
    }
  }
  const second = new (nextObject(objectTable(describeClass(PassesRecord))))([receiver({})]) as Next
  t.not(second.pass!(), changeable)
  t.not(await second.pass!(), await changeable)
})

test('a fault crosses with its details copied; what is no fault crosses as it is', async (t) => {
  const rejection = async (error: unknown, later = false): Promise<unknown> => {
    class Throws extends NodeObject {
      static override readonly className = 'Throws.v1'
      @query go(): unknown {
        if (later) return Promise.reject(error)
        throw error
      }
    }
    const next = new (nextObject(objectTable(describeClass(Throws))))([receiver({})]) as Next
    return await next.go!().then(
      () => undefined,
      (thrown) => thrown,
    )
  }
  for (const later of [false, true]) {
    const plain = new Error('mine')
    t.is(await rejection(plain, later), plain)
    const list = [1]
    const fault = applicationFault('full', 'it is full', { list, size: 1 })
    const crossed = (await rejection(fault, later)) as Fault
    t.not(crossed, fault)
    t.deepEqual(
      [crossed.code, crossed.message, crossed.details, crossed.retryable],
      ['application.full', 'it is full', { list: [1], size: 1 }, false],
    )
    t.not(crossed.details.list, list)
    t.is(crossed.cause, fault)
    const shallow = applicationFault('full', 'it is full', { size: 1 })
    t.is(await rejection(shallow, later), shallow)
    // Of details that can't travel nothing is left but the fault.
    const odd = (await rejection(applicationFault('full', 'it is full', { odd: new Map() }), later)) as Fault
    t.deepEqual([odd.code, odd.details], ['application.full', {}])
    // A newer peer's own word on a retry is kept.
    const retryable = new Fault('unavailable.on-strike' as never, 'why', { list }, { retryable: true })
    t.true(((await rejection(retryable, later)) as Fault).retryable)
  }
})

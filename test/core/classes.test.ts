/** The refusals where a class is written: names that can't be remote, and calls that it does not declare. */
import test from 'ava'
import { checkDeclaredCalls, describeClass, type NodeClass } from '../../core/model/nodeObject.js'
import { command, type Fault, futureSO, NodeObject, query } from '../../index.js'
import { codeOf, TestSystem } from '../support/testSystem.js'

function classWith(name: string): NodeClass {
  class Named extends NodeObject {
    static override readonly className = 'Named.v1'
  }
  Object.defineProperty(Named.prototype, name, { value() {}, configurable: true, writable: true })
  query(Named.prototype, name)
  return Named
}

const reserved = ['then', 'toJSON', 'toString', 'valueOf', 'constructor', 'hasOwnProperty', '__proto__', 'start', 'stop']
reserved.push('selfCheck', 'checkRecord', 'state', 'ref', 'sender', 'publish', 'after', 'now', 'random', 'nodeId', 'signal')
reserved.push('collection', 'toLocaleString', 'isPrototypeOf', 'propertyIsEnumerable')

for (const name of reserved)
  test(`a remote method named ${name} is refused`, (t) => {
    const fault = t.throws<Fault>(() => describeClass(classWith(name)))
    t.is(fault!.code, 'config.invalid')
    t.regex(fault!.message, new RegExp(`^Named\\.v1\\.${name} can't be a remote method: .*; give it another name$`))
  })

test('names that only look alike are not refused', (t) => {
  for (const name of ['catch', 'finally', 'next', 'thenable', 'get', 'length', 'name', 'call', 'apply', 'started'])
    t.true(describeClass(classWith(name)).methods.has(name), name)
})

test('a reference can be awaited, written and compared', async (t) => {
  const system = await TestSystem.start(t)
  const ref = await Promise.resolve(system.desk.ref(classWith('get'), 'x', { version: 0 }))
  t.is(JSON.stringify({ ref }), '{"ref":{}}')
  t.is(`${ref}`, '[object Object]')
  t.false((ref as unknown) === 1)
})

test('a mark on what is no method is refused', (t) => {
  class Getter extends NodeObject {
    static override readonly className = 'Getter.v1'
    get total(): number {
      return 1
    }
  }
  query(Getter.prototype, 'total')
  t.throws(() => describeClass(Getter), { message: 'Getter.v1.total is marked and no method: only methods can be remote' })
})

test('a mark of a method that was taken out of the class again is nothing', (t) => {
  class Taken extends NodeObject {
    static override readonly className = 'Taken.v1'
  }
  query(Taken.prototype, 'total')
  t.deepEqual([...describeClass(Taken).methods.keys()], [])
})

test('a class that names what is no class yet among its calls is told how to', (t) => {
  class Early extends NodeObject {
    static override readonly className = 'Early.v1'
    static override readonly calls = [undefined as never]
  }
  t.throws(() => describeClass(Early), { message: /^Early\.v1: calls names what is no class yet: .*calls = \(\) => \[ … \]/ })
})

class OtherDesk extends NodeObject {
  static override readonly className = 'OtherDesk.v1'
  @query look(): number {
    return 1
  }
}

const undeclaredCall = {
  code: 'config.invalid',
  message: /calls OtherDesk\.v1 without saying so: add "static override readonly calls = \[OtherDesk\]"/,
}

test('a class that calls another and does not say so is refused when a node of it starts, not at its first call', async (t) => {
  class Silent extends NodeObject {
    static override readonly className = 'Silent.v1'
    @query rarely(): Promise<number> {
      return this.ref(OtherDesk, 'd').look()
    }
  }
  class Sends extends NodeObject {
    static override readonly className = 'Sends.v1'
    @command rarely(): void {
      this.sender(OtherDesk).look()
    }
  }
  class Inherits extends Sends {
    static override readonly className = 'Sends.v2' as never
  }
  const system = await TestSystem.start(t)
  const host = await system.host('h1')
  for (const definition of [Silent, Sends, Inherits]) await t.throwsAsync(host.node(definition, 'n'), undeclaredCall)
})

test('the calls of a simulation object are the class’s whose version it stands for', (t) => {
  class BoxV1 extends NodeObject {
    static override readonly className: string = 'Box.v1'
    @query get(): number {
      return 1
    }
  }
  class BoxV2 extends BoxV1 {
    static override readonly className = 'Box.v2'
  }
  t.throws(
    () =>
      futureSO({
        simulates: BoxV2,
        over: BoxV1,
        methods: {
          get() {
            return this.ref(OtherDesk).look()
          },
        },
      }),
    undeclaredCall,
  )
})

test('what is declared, the own service, a comment, and an expression that the text does not tell of, are not refused', async (t) => {
  class Talks extends NodeObject {
    static override readonly className: string = 'Talks.v1'
    static override readonly calls = [OtherDesk]
    @query look(): Promise<number> {
      return this.ref(OtherDesk).look()
    }
  }
  class Own extends NodeObject {
    static override readonly className: string = 'Own.v2'
    @query look(): unknown {
      // this.ref(OtherDesk) is for another day
      /* nor is this.sender(OtherDesk, 'd') */
      return this.ref(Older)
    }
  }
  class Older extends NodeObject {
    static override readonly className = 'Own.v1'
    @query look(): void {}
  }
  class Hidden extends NodeObject {
    static override readonly className = 'Hidden.v1'
    @query async look(): Promise<number> {
      const targets = [OtherDesk]
      return this.ref(targets[0]!).look()
    }
  }
  for (const definition of [Talks, Own, Hidden]) t.notThrows(() => checkDeclaredCalls(definition))
  // That one is refused where it is reached.
  const system = await TestSystem.start(t)
  const host = await system.host('h1')
  await host.node(Hidden, 'h')
  t.is(await codeOf(system.desk.ref(Hidden, 'h', { version: 0 }).look()), 'application.error')
})

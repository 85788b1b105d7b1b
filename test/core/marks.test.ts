/** Marks of remote methods, what a class says of itself, and the calls that its text shows. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import test from 'ava'
import { event } from '../../core/model/event.js'
import { markMethod, methodsOf, prototypesOf } from '../../core/model/methods.js'
import {
  checkDeclaredCalls,
  checkDeclaredCallsOf,
  contextKey,
  describeClass,
  isNodeClass,
  type NodeClass,
} from '../../core/model/nodeObject.js'
import { checkUndeclaredCalls, noteClass } from '../../core/model/undeclaredCalls.js'
import { whyReserved } from '../../core/wire/reservedNames.js'
import { command, NodeObject, query } from '../../index.js'
import { until } from '../support/eventually.js'

const config = { code: 'config.invalid' as const }

class Base extends NodeObject {
  static override readonly className: string = 'Base.v1'
  @query get(): number {
    return 1
  }
  @command put(_value: number): void {}
}

test('a class has the remote methods that are marked in it and in those that it extends', (t) => {
  class Derived extends Base {
    static override readonly className = 'Derived.v1'
    @query more(): void {}
    @command override get(): number {
      return 2
    }
    override put(_value: number): void {}
    protected override start(): void {}
  }
  t.deepEqual(Object.fromEntries(methodsOf(Derived.prototype, 'Derived.v1')), { more: 'query', get: 'command', put: 'command' })
  // The base is as it was.
  t.deepEqual(Object.fromEntries(methodsOf(Base.prototype, 'Base.v1')), { get: 'query', put: 'command' })
  class Bare extends Base {
    static override readonly className = 'Bare.v1'
  }
  t.deepEqual(Object.fromEntries(methodsOf(Bare.prototype, 'Bare.v1')), { get: 'query', put: 'command' })
  t.is(methodsOf(class extends NodeObject {}.prototype, 'Empty').size, 0)
})

test('an override keeps its mark however many classes lie between', (t) => {
  class Between extends Base {
    static override readonly className: string = 'Between.v1'
  }
  class Far extends Between {
    static override readonly className = 'Far.v1'
    override get(): number {
      return 3
    }
  }
  t.deepEqual(Object.fromEntries(methodsOf(Far.prototype, 'Far.v1')), { get: 'query', put: 'command' })
})

test('a public method without a mark is refused: nobody can tell which was meant', (t) => {
  class Unmarked extends Base {
    static override readonly className = 'Unmarked.v1'
    helper(): void {}
  }
  t.throws(() => describeClass(Unmarked), {
    ...config,
    message: 'Unmarked.v1.helper is public but unmarked: add @command or @query, or make it #private',
  })
  // A member that is no method needs none.
  class Getter extends Base {
    static override readonly className = 'Getter.v1'
    get total(): number {
      return 1
    }
  }
  t.deepEqual([...describeClass(Getter).methods.keys()], ['get', 'put'])
  class Empty extends NodeObject {
    static override readonly className: string = 'Empty.v1'
  }
  class Below extends Empty {
    static override readonly className = 'Below.v1'
    helper(): void {}
  }
  t.throws(() => describeClass(Below), { ...config, message: /^Below\.v1\.helper is public but unmarked/ })
})

test('a mark on what is no method, on a name that is taken, or in the other way of decorators, is refused', (t) => {
  class Odd extends NodeObject {
    static override readonly className = 'Odd.v1'
    get total(): number {
      return 1
    }
  }
  markMethod(Odd.prototype, 'total', 'query')
  t.throws(() => describeClass(Odd), { ...config, message: 'Odd.v1.total is marked and no method: only methods can be remote' })
  class Gone extends NodeObject {
    static override readonly className = 'Gone.v1'
  }
  markMethod(Gone.prototype, 'gone', 'query')
  // One that was taken out of the class again is nothing to call.
  t.is(describeClass(Gone).methods.size, 0)
  class Taken extends NodeObject {
    static override readonly className = 'Taken.v1'
  }
  Object.defineProperty(Taken.prototype, 'then', { value() {} })
  markMethod(Taken.prototype, 'then', 'query')
  t.throws(() => describeClass(Taken), {
    ...config,
    message:
      "Taken.v1.then can't be a remote method: an object with a method of that name is taken for a promise; give it another name",
  })
  for (const [kind, mark] of [
    ['query', query],
    ['command', command],
  ] as const)
    for (const name of [{ kind: 'method' }, Symbol('s')])
      t.throws(() => mark(Odd.prototype, name as never), {
        ...config,
        message: `@${kind} works with TypeScript's "experimentalDecorators": true and on methods with plain names only`,
      })
})

test('the prototypes of a class end where the base of any copy of the package begins', (t) => {
  class Derived extends Base {}
  t.deepEqual([...prototypesOf(Derived.prototype)], [Derived.prototype, Base.prototype])
  class Plain {}
  t.deepEqual([...prototypesOf(Plain.prototype)], [Plain.prototype])
  t.deepEqual([...prototypesOf(Object.assign(Object.create(null), { constructor: Plain }))].length, 1)
})

test('each reserved name has its reason, and no other name has one', (t) => {
  const reasons = (...names: readonly string[]) => [...new Set(names.map(whyReserved))]
  t.deepEqual(reasons('then'), ['an object with a method of that name is taken for a promise'])
  t.deepEqual(reasons('toJSON', 'constructor', '__proto__', 'valueOf'), ['JavaScript calls it by itself'])
  t.deepEqual(reasons('start', 'stop', 'selfCheck', 'checkRecord'), ['it is called by the runtime, not by others'])
  t.deepEqual(reasons('state', 'ref', 'publish', 'random'), ['it is what NodeObject gives the class'])
  t.deepEqual(reasons('get', 'catch', ''), [undefined])
})

test('a class describes itself: its name, its service, what it calls, publishes and may', (t) => {
  const opened = event('opened')
  class Whole extends Base {
    static override readonly className = 'Whole.v1'
    static override readonly service = 'boxes'
    static override readonly calls = () => [Base, { className: 'Lid.v1', service: 'covers' }]
    static override readonly publishes = [opened]
    static override readonly reentrant = true
  }
  const found = describeClass(Whole)
  t.deepEqual([found.className, found.service, found.calls], ['Whole.v1', 'boxes', ['Base.v1', 'Lid.v1']])
  t.deepEqual([...found.callsServices], ['boxes', 'base', 'covers'])
  t.deepEqual([found.publishes, found.isReentrant, found.definition as unknown], [[opened], true, Whole])
  const bare = describeClass(Base)
  t.deepEqual(
    [bare.service, bare.calls, [...bare.callsServices], bare.publishes, bare.isReentrant],
    ['base', [], ['base'], [], false],
  )
  t.is(describeClass(Base), bare)
  class Near extends Base {
    static override readonly className = 'Near.v1'
    static override readonly calls = [Base]
    static override readonly reentrant = 'yes' as never
  }
  t.deepEqual([describeClass(Near).calls, describeClass(Near).isReentrant], [['Base.v1'], false])
})

test('what is no class of nodes, or has no name, no service or no class among its calls, is refused with what to change', (t) => {
  class Plain {}
  const message = (definition: unknown) => t.throws(() => describeClass(definition as NodeClass), config)!.message
  t.is(message(Plain), 'Plain is not a class that extends NodeObject')
  t.is(message({ a: 1 }), '[object Object] is not a class that extends NodeObject')
  t.regex(message(class {}), /^class \{\s*\} is not a class that extends NodeObject$/)
  t.is(message(undefined), 'undefined is not a class that extends NodeObject')
  t.is(message('text'), 'text is not a class that extends NodeObject')
  for (const value of [Plain, {}, null, undefined, 'text', new Base() as unknown]) t.false(isNodeClass(value))
  t.true(isNodeClass(Base))
  class Nameless extends NodeObject {}
  t.is(message(Nameless), `class Nameless: give it "static override readonly className = 'Name.v1'"`)
  t.is(
    message((() => class extends NodeObject {})()),
    `class (anonymous): give it "static override readonly className = 'Name.v1'"`,
  )
  class Wrong extends NodeObject {
    static override readonly className = 'Wrong.v1'
    static override readonly service = 'a b'
  }
  t.regex(message(Wrong), /^service "a b": use/)
  for (const calls of [[undefined], [{}], () => [undefined]]) {
    class Early extends NodeObject {
      static override readonly className = 'Early.v1'
      static override readonly calls = calls as never
    }
    t.is(
      message(Early),
      'Early.v1: calls names what is no class yet: where modules import each other, write "calls = () => [ … ]"',
    )
  }
})

test('an object asks its surroundings for everything, and gives on what it was given', (t) => {
  const opened = event<[url: string]>('opened')
  class Asks extends NodeObject {
    static override readonly className = 'Asks.v1'
    @command all(): unknown {
      this.publish(opened, 'u')
      this.after(5, 'all', 1, 2)
      const asked = [this.nodeId, this.signal, this.now(), this.random(), this.collection('pages')]
      return [...asked, this.ref(Base, 'n2', { deadline: 5 }), this.sender(Base)]
    }
    lifecycle(): unknown[] {
      return [this.start(), this.stop(), this.selfCheck(), this.checkRecord('c', 'k', 1)]
    }
  }
  const told: unknown[] = []
  const { signal } = new AbortController()
  const object = new Asks()
  object[contextKey] = {
    nodeId: 'n1',
    signal,
    collection: (name: string) => ({ collection: name }),
    ref: (...args: unknown[]) => ({ ref: args }),
    sender: (...args: unknown[]) => ({ sender: args }),
    publish: (...args: unknown[]) => told.push(args),
    after: (...args: unknown[]) => told.push(args),
    now: () => 7,
    random: () => 0.5,
  } as never
  const refs = [{ ref: [Base, 'n2', { deadline: 5 }] }, { sender: [Base, undefined, undefined] }]
  t.deepEqual(object.all(), ['n1', signal, 7, 0.5, { collection: 'pages' }, ...refs])
  t.deepEqual(told, [
    [opened, ['u']],
    [5, 'all', [1, 2]],
  ])
  t.deepEqual(object.lifecycle(), [undefined, undefined, undefined, undefined])
  t.deepEqual(NodeObject.initial(), {})
})

class Desk extends NodeObject {
  static override readonly className = 'Desk.v1'
  @query look(): void {}
}

test('a reference to a class that is not declared is found in the text, inherited methods included', (t) => {
  class Refers extends NodeObject {
    static override readonly className: string = 'Refers.v1'
    @query go(): unknown {
      return this.ref(Desk, 'd')
    }
  }
  class Sends extends NodeObject {
    static override readonly className = 'Sends.v1'
    @query go(): unknown {
      return this.sender(Desk)
    }
  }
  class Inherits extends Refers {
    static override readonly className = 'Inherits.v1'
    static override readonly calls = []
  }
  const message = (name: string) =>
    `${name} calls Desk.v1 without saying so: add "static override readonly calls = [Desk]" to its class`
  for (const definition of [Refers, Sends, Inherits])
    t.throws(() => checkDeclaredCalls(definition), { ...config, message: message(definition.className) })
  t.throws(
    () =>
      checkDeclaredCallsOf(Base, [
        function (this: Refers) {
          return (this as unknown as { ref(c: unknown): unknown }).ref(Desk)
        },
        Refers,
      ]),
    { ...config, message: message('Base.v1') },
  )
})

test('what is declared, said in a comment, or of an unknown name is not refused', (t) => {
  class Declares extends NodeObject {
    static override readonly className = 'Declares.v1'
    static override readonly calls = [Desk]
    @query go(): unknown {
      return this.ref(Desk)
    }
  }
  class Comments extends NodeObject {
    static override readonly className = 'Comments.v1'
    @query go(): unknown {
      // this.ref(Desk)
      /* this.sender(Desk, 'd')
         this.ref(Desk) */
      return 1
    }
  }
  t.notThrows(() => checkDeclaredCalls(Declares))
  t.notThrows(() => checkDeclaredCalls(Comments))
})

const described = describeClass(Base)
const text = (body: string) => [new Function(body)]
const serviceOf = ({ className }: NodeClass) => className.split('.')[0]!.toLowerCase()
const named = (name: string, className?: string) => {
  const made = { [name]: class {} }[name]!
  if (className !== undefined) Object.defineProperty(made, 'className', { value: className })
  return made
}

test('names are compared without a bundler’s underscores, and short ones not at all: they may be a minifier’s', (t) => {
  noteClass(named('Longish', 'Long.v1'))
  noteClass(named('_Under', 'Under.v1'))
  noteClass(named('abc', 'Abc.v1'))
  noteClass(named('Four', 'Four.v1'))
  noteClass(undefined)
  const check = (body: string) => () => checkUndeclaredCalls(described, text(body), serviceOf)
  t.throws(check('this.ref(Longish)'), { message: /^Base\.v1 calls Long\.v1 .*calls = \[Longish\]/ })
  t.throws(check('this.ref(_Longish)'), { message: /calls = \[_Longish\]/ })
  t.throws(check('this . sender ( Under , 1)'), { message: /calls Under\.v1/ })
  t.throws(check('this.ref(Four)'), { message: /calls Four\.v1/ })
  t.throws(check('this.ref(shop.Longish, id)'), { message: /calls = \[Longish\]/ })
  t.throws(check('this.sender(a . b$ . Four)'), { message: /calls Four\.v1/ })
  t.notThrows(check('this.ref(Longish.of(id))'))
  t.notThrows(check('this.ref(abc)'))
  t.notThrows(check('this.ref(Nobody)'))
})

test('of several classes of one name one that is declared is enough, and one that is being made is not judged', (t) => {
  const check = (name: string) => () => checkUndeclaredCalls(described, text(`this.ref(${name})`), serviceOf)
  noteClass(named('Twins', 'Other.v1'))
  t.throws(check('Twins'), { message: /calls Other\.v1/ })
  noteClass(named('Twins', 'Base.v2'))
  t.notThrows(check('Twins'))
  noteClass(named('Triplets', 'Base.v3'))
  noteClass(named('Triplets', 'Other.v1'))
  t.notThrows(check('Triplets'))
  noteClass(named('Unborn'))
  t.notThrows(check('Unborn'))
  // It counts once, by what it has become.
  const grown = named('Grown')
  noteClass(grown)
  Object.defineProperty(grown, 'className', { value: 'Grown.v1' })
  noteClass(grown)
  t.throws(check('Grown'), { message: /calls Grown\.v1/ })
})

test('the options of a mark are a record of those that there are; else the mark says how it is used', (t) => {
  const refused = (options: unknown, shown: string) =>
    t.throws(() => query(options as never), { ...config, message: `@query(${shown}): use @query or @query({ allow: … })` })
  for (const options of [undefined, null, 5, 'web', true, () => {}]) refused(options, '…')
  refused({ allow: 'web', roles: [], name: 'x' }, '{ roles: … }')
  t.notThrows(() => [query({}), query({ allow: 'web' })])
})

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

test('a class that has been collected is no longer among those of its name', async (t) => {
  const note = () => {
    const definition = named('Collected', 'Collected.v1')
    noteClass(definition)
    return new WeakRef(definition)
  }
  const noted = note()
  await until(() => {
    collectGarbage()
    return noted.deref() === undefined
  }, 'the class is collected')
  t.notThrows(() => checkUndeclaredCalls(described, text('this.ref(Collected)'), serviceOf))
})

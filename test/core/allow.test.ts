/** The callers that may call a method: what a class can say, and what it can't. */
import test from 'ava'
import { checkRoles, ruleOf } from '../../core/model/allow.js'
import { describeClass } from '../../core/model/nodeObject.js'
import { command, Fault, NodeObject, query } from '../../index.js'

const roles = { editors: ['alice', 'bob'] }
const caller = (name: string | null, className = 'Client') => ({
  name,
  node: 'n',
  className,
  version: 0,
})
const allows = (allow: unknown, ...of: Parameters<typeof caller>) => ruleOf(allow, 'A.v1.m').allows(caller(...of), roles)

test('a name is the caller’s own, which nobody without one has', (t) => {
  t.true(allows('web', 'web'))
  t.true(allows(['batch', 'web'], 'web'))
  t.false(allows('web', 'web2'))
  t.false(allows('web', null))
  t.false(allows('n', null), 'what a caller says of itself is no name')
})

test('a role is of those whom the host names for it', (t) => {
  t.true(allows('role:editors', 'bob'))
  t.false(allows('role:editors', 'carol'))
  t.false(allows('role:editors', null))
  t.false(allows('role:readers', 'bob'), 'nobody is in a role that the host does not know')
  for (const role of ['constructor', 'toString', 'hasOwnProperty']) t.false(allows(`role:${role}`, 'bob'))
})

test('a service and a class are what a caller says of itself', (t) => {
  t.true(allows('service:orders', null, 'Orders.v3'))
  t.true(allows('service:orders', 'web', 'Orders'))
  t.false(allows('service:orders', null, 'Orders2.v1'))
  t.true(allows('class:Orders.v3', null, 'Orders.v3'))
  t.false(allows('class:Orders.v3', null, 'Orders.v4'))
})

test('a star is everybody, and a function decides', (t) => {
  t.true(allows('*', null))
  t.true(allows(({ name }: { name: string }) => name === 'web', 'web'))
  t.false(allows(({ name }: { name: string }) => name === 'web', 'batch'))
})

test('a function that throws, or answers anything but true, allows nobody', (t) => {
  const throwing = () => {
    throw new Error('no')
  }
  for (const answer of [throwing, () => 1, () => 'yes', async () => true, () => undefined]) t.false(allows(answer, 'web'))
})

test.serial('a function that answers a promise allows nobody, and the promise does not end the process', async (t) => {
  const lost: unknown[] = []
  const hear = (reason: unknown) => void lost.push(reason)
  process.on('unhandledRejection', hear)
  t.teardown(() => void process.off('unhandledRejection', hear))
  for (const answer of [() => Promise.reject(new Error('of a rule')), async () => true]) t.false(allows(answer, 'web'))
  await new Promise((resolve) => setImmediate(resolve))
  t.deepEqual(lost, [])
})

for (const [what, allow] of Object.entries({
  nothing: undefined,
  'an empty list': [],
  'an empty name': '',
  'a number': 7,
  'a list with a number': ['web', 7],
  'a role without a name': 'role:',
  'a kind that there is not': 'group:editors',
  'a name with a dot': 'a.b',
  'a class that is none': 'class:9',
  'a service that is none': 'service:a b',
  'a record': { web: true },
}))
  test(`what can be no rule is refused where it is written: ${what}`, (t) => {
    const error = t.throws(() => ruleOf(allow, 'Pages.v1.put'), { instanceOf: Fault, code: 'config.invalid' })
    t.true(error!.message.startsWith('Pages.v1.put: allow'), error!.message)
  })

test('a rule that is none is shown as far as it helps', (t) => {
  const message = (allow: unknown) => t.throws(() => ruleOf(allow, 'Pages.v1.put')).message
  t.is(message('!'.repeat(90)).split(': use')[0], `Pages.v1.put: allow "${'!'.repeat(80)}"`)
  t.is(message([7]).split(': use')[0], 'Pages.v1.put: allow a number')
})

test('roles are names of callers for each', (t) => {
  t.is(checkRoles(roles), roles)
  for (const wrong of [{ 'a b': [] }, { editors: 'alice' }, { editors: ['a.b'] }, { editors: ['alice', 'a.b'] }])
    t.throws(() => checkRoles(wrong as never), { instanceOf: Fault, code: 'config.invalid' })
})

class BaseV1 extends NodeObject {
  static override readonly className: string = 'Base.v1'
  static override readonly allow: string | readonly string[] = 'web'
  @query read(): void {}
  @command({ allow: 'role:editors' }) write(): void {}
  @query({ allow: '*' }) ping(): void {}
}
class OverridingV1 extends BaseV1 {
  static override readonly className = 'Overriding.v1'
  static override readonly allow = ['batch']
  @command override write(): void {}
  @query override read(): void {}
  override ping(): void {}
}
class OpenV1 extends NodeObject {
  static override readonly className = 'Open.v1'
  @query read(): void {}
}

const textsOf = (definition: typeof BaseV1 | typeof OpenV1) =>
  Object.fromEntries([...(describeClass(definition).allows ?? [])].map(([method, { text }]) => [method, text]))

test('a method’s own rule stands in place of the class’s, and an override keeps it', (t) => {
  t.deepEqual(textsOf(BaseV1), { read: 'web', write: 'role:editors', ping: '*' })
  t.deepEqual(textsOf(OverridingV1), { read: 'batch', write: 'role:editors', ping: '*' })
  t.is(describeClass(OpenV1).allows, undefined)
})

test('a mark takes no other options, and says which it takes', (t) => {
  for (const options of [{ allows: 'web' }, { once: false }, null, 'web'])
    t.throws(() => command(options as never), {
      instanceOf: Fault,
      code: 'config.invalid',
      message: /use @command or @command\({ allow: … }\)/,
    })
})

/** Subjects of the wire: one system's are not another's, and only names become tokens of them. */
import test from 'ava'
import { checkPublishable } from '../../core/ports/transport.js'
import { inboxOf, isInbox, notAnInbox, subjectsOf } from '../../core/wire/subjects.js'

test('each system has subjects of its own, also when systems are asked for in turn', (t) => {
  for (const system of ['a', 'b', 'a', 'a'])
    t.deepEqual(
      [subjectsOf(system).node('n1'), subjectsOf(system).service('pages'), subjectsOf(system).server],
      [`theseus.${system}.node.n1`, `theseus.${system}.service.pages`, `theseus.${system}.server`],
    )
  t.is(subjectsOf('a'), subjectsOf('a'))
})

test('a name from elsewhere becomes a token only if it is a name, and the fault says of what', (t) => {
  const subjects = subjectsOf('shop')
  const makers = {
    'a node id': subjects.node,
    'a service': subjects.service,
    'an event': subjects.event,
    'a looker': subjects.looker,
  } as const
  for (const [what, make] of Object.entries(makers)) {
    t.regex(make('A-1_b'), /\.A-1_b$/)
    for (const name of ['*', '>', 'a.b', '', 'a b', '_introduced'])
      t.throws(() => make(name), {
        code: 'protocol.bad-arguments',
        message: `${JSON.stringify(name)} is not the name of ${what}: use 1 to 64 letters, digits, - and _, beginning with a letter or digit`,
      })
    t.throws(() => make(7 as never), { message: /^of type number is not the name of/ })
    t.throws(() => make('.'.repeat(1000)), { message: new RegExp(`^"${'\\.'.repeat(80)}" is not the name of`) })
  }
})

test('no event’s subject is the one on which introduced events travel', (t) => {
  const { introduced, event } = subjectsOf('shop')
  t.is(introduced, 'theseus.shop.event._introduced')
  t.throws(() => event(introduced.split('.').at(-1)!), { code: 'protocol.bad-arguments' })
})

test('only tokens of printable characters can be published to, and the fault shows where another subject begins', (t) => {
  for (const subject of ['a', 'a.b', '_INBOX.x1.~', '!', 'a$b.c-d']) t.notThrows(() => checkPublishable(subject))
  const wrong = ['', '.a', 'a.', 'a..b', 'a b', 'a.*', 'a.>', 'a\r\nPUB b', 'a\u0000', 'ä', `x y${'z'.repeat(100)}`]
  for (const subject of wrong)
    t.throws(() => checkPublishable(subject), {
      code: 'protocol.bad-arguments',
      message: `${JSON.stringify(subject.slice(0, 80))} is not a subject that can be published to`,
    })
})

test('answers go to inboxes and nowhere else, and a message that asks for another place is refused with what it asks for', (t) => {
  for (const inbox of ['_INBOX.1', `${inboxOf('web')}x`, '_INBOX.a.b']) t.true(isInbox(inbox), inbox)
  for (const other of ['theseus.shop.node.n1', '$SYS.x', '_INBOX.', '_INBOX.a.>', '_INBOX.a b', '', 'x_INBOX.1'])
    t.false(isInbox(other), other)
  t.like(notAnInbox('theseus.shop.server'), {
    code: 'protocol.bad-envelope',
    message: 'the answer is to go to "theseus.shop.server", which is no inbox: use a reply subject like _INBOX.1',
  })
  t.true(notAnInbox(`a${'b'.repeat(1000)}`).message.startsWith(`the answer is to go to "a${'b'.repeat(63)}", which`))
})

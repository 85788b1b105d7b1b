/** Invariants of the house (DESIGN §6) that only a fault of our own breaks: each is broken once, and noticed at once. */
import test from 'ava'
import { Mailbox } from '../../actors/mailbox.js'
import { type Bearer, objectTable, simulationTable } from '../../core/methodTable.js'
import { describeClass } from '../../core/nodeObject.js'
import { type Link, ObjectChain } from '../../core/objectChain.js'
import { futureSO } from '../../index.js'
import { until } from '../support/eventually.js'
import { gate } from '../support/testSystem.js'
import { NotesV1, NotesV2, toV2 } from './notes.js'
import { fill, oneNode } from './oneNode.js'

const bearer = (): Bearer => ({ self: {}, touch() {} })

const link = (version: number, role: Link['role'], bearers: readonly Bearer[]): Link => ({
  version,
  role,
  className: `C${version}`,
  methods: { level: 0, entries: new Map() },
  bearers,
  hears: new Map(),
  tally: { calls: 0 },
})

const below = () => {
  throw new Error('nobody asks')
}

test('C5: a version whose calls lead to another object than those of the others is noticed when the chain is made', (t) => {
  const [object, other, ...sos] = [bearer(), bearer(), bearer(), bearer()] as const
  const links = (first: Bearer) => [
    link(0, 'alias', [object, sos[0]]),
    link(1, 'pastSO', [first, sos[0]]),
    link(2, 'object', [object]),
    link(3, 'futureSO', [object, sos[1]]),
  ]
  t.is(new ObjectChain(2, links(object), below, undefined).links.length, 4)
  const violated = { name: 'InvariantViolation', message: 'C5: version 1 leads to another object' }
  t.throws(() => new ObjectChain(2, links(other), below, undefined), violated)
})

test('C6: a method that an SO refuses and somebody carries out all the same is noticed when the chain is made', (t) => {
  const so = futureSO({
    simulates: NotesV2,
    over: NotesV1,
    delegates: ['all', 'add', 'put', 'shelf', 'addSlowly'],
    refuses: ['star'],
    methods: {
      stars() {
        return 0
      },
    },
  })
  const simulated = describeClass(NotesV2)
  const next = objectTable(describeClass(NotesV1))
  t.throws(() => simulationTable(so, simulated, next).entries.get('star')!.method(), { code: 'simulation.refused' })
  const faked = [
    { ...so, methods: { ...so.methods, star: () => 1 } },
    { ...so, refuses: [...so.refuses, 'add'] },
  ]
  const message = /^C6: Notes\.v2\.(star|add) is refused and carried out$/
  for (const wrong of faked) t.throws(() => simulationTable(wrong, simulated, next), { name: 'InvariantViolation', message })
})

// Last, for it breaks the mailboxes of this process for a while.
test.serial(
  'C11: a node that takes calls while it flips is noticed, and serves its old version with all that was acknowledged',
  async (t) => {
    const one = await oneNode(t)
    await fill(one)
    const form = gate()
    const { close } = Mailbox.prototype
    t.teardown(() => {
      Mailbox.prototype.close = close
    })
    Mailbox.prototype.close = () => Promise.resolve()
    await one.system.publish(toV2({ beforeTransform: () => form.pass() }))
    await until(() => form.waiting === 1, 'the transform waits')
    Mailbox.prototype.close = close
    form.open()
    const last = await until(() => {
      const found = one.host.last('n1')
      return found?.phase === 'stalled' || found?.phase === 'failed' ? found : undefined
    }, 'the upgrade ends')
    t.regex(last!.reason!, /C11: a call runs beside the flip/)
    t.is(one.node.version, 0)
    t.deepEqual(await one.v0.all(), ['first'])
  },
)

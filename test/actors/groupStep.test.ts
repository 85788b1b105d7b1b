/** G1: a step ends in the same way for all members. */
import test from 'ava'
import { GroupStep } from '../../actors/upgrade/groupStep.js'
import { GroupUpgrade } from '../../actors/upgrade/groupUpgrade.js'
import type { GroupMember } from '../../actors/upgrade/nodeGroup.js'
import { Fault } from '../../core/base/fault.js'
import { InvariantViolation } from '../../core/base/invariant.js'

const member = (id: string) => ({ id, isEnding: false }) as GroupMember & { isEnding: boolean }
const endOf = (work: Promise<unknown>) =>
  work.then(
    (value) => value ?? 'done',
    (error: Error) => error.message,
  )

function group() {
  const [a, b] = [member('a'), member('b')]
  return { a, b, upgrade: new GroupUpgrade(1, [a, b]) }
}

test('members wait at a point for each other, and the last one does the work of all with the values of all', async (t) => {
  const [a, b] = [member('a'), member('b')]
  const step = new GroupStep([a, b])
  const done: unknown[] = []
  const work = async (values: readonly string[]) => void done.push(values)
  const first = step.meet('p', b, 'of b', work)
  t.deepEqual(step.missingAt('p'), [a])
  t.deepEqual(done, [])
  await step.meet('p', a, 'of a', work)
  await first
  t.deepEqual(done, [['of a', 'of b']])
})

test('a member that fails fails the step for all, with a reason that names it; whoever comes late hears it too', async (t) => {
  const { a, b, upgrade } = group()
  const failing = endOf(upgrade.together('checking', a, () => Promise.reject(new Fault('upgrade.check', 'crooked'))))
  t.is(await failing, 'a: crooked')
  let isDone = false
  const late = upgrade.together('checking', b, async () => {
    isDone = true
  })
  t.is(await endOf(late), 'a: crooked')
  t.false(isDone)
  // All have gone through it: the next try is another step.
  const again = Promise.all([upgrade.together('checking', a, async () => 1), upgrade.together('checking', b, async () => 2)])
  t.deepEqual(await again, [1, 2])
})

test('a broken invariant of a member is its own; the others hear its line', async (t) => {
  const { a, b, upgrade } = group()
  const other = endOf(upgrade.together('flipping', b, async () => {}))
  await t.throwsAsync(
    upgrade.together('flipping', a, () => Promise.reject(new InvariantViolation('C7: written'))),
    { name: 'InvariantViolation' },
  )
  t.is(await other, 'a: C7: written')
})

test('what is done for all decides: a member that fails meanwhile does not fail the step', async (t) => {
  const [a, b] = [member('a'), member('b')]
  const step = new GroupStep([a, b])
  const work = Promise.withResolvers<void>()
  const met = Promise.all([step.meet('p', a, 0, () => work.promise), step.meet('p', b, 0, () => work.promise)])
  step.failedAt(a, new Error('too late'))
  t.is(step.failure, undefined)
  work.resolve()
  await met
  step.failedAt(a, new Error('in time'))
  t.is(step.failure?.message, 'a: in time')
})

test('work for all that fails, fails for all', async (t) => {
  const [a, b] = [member('a'), member('b')]
  const step = new GroupStep([a, b])
  const full = () => Promise.reject(new Error('the disk is full'))
  const ends = [step.meet('p', a, 0, full), step.meet('p', b, 0, full)].map(endOf)
  t.deepEqual(await Promise.all(ends), ['the disk is full', 'the disk is full'])
})

test('a member that begins anew calls off the step in which the others wait for it', async (t) => {
  const { a, b, upgrade } = group()
  const waiting = endOf(upgrade.together('gathering', a, async () => {}))
  const skipping = endOf(upgrade.together('skipping', b, async () => {}))
  t.is(await waiting, 'b has gone another way')
  t.is(await endOf(upgrade.together('skipping', a, async () => {})), 'done')
  t.is(await skipping, 'done')
})

test('one that comes late to a step that has failed calls nothing off', async (t) => {
  const { a, b, upgrade } = group()
  await endOf(upgrade.together('gathering', a, () => Promise.reject(new Error('no'))))
  const waiting = endOf(upgrade.together('claiming', a, async () => {}))
  t.is(await endOf(upgrade.together('gathering', b, async () => {})), 'a: no')
  t.is(await endOf(upgrade.together('claiming', b, async () => {})), 'done')
  t.is(await waiting, 'done')
})

test('a member that stops fails the steps of all, and no step goes without it', async (t) => {
  const { a, b, upgrade } = group()
  const waiting = endOf(upgrade.together('transforming', a, async () => {}))
  b.isEnding = true
  upgrade.stopped(b)
  t.is(await waiting, 'b has stopped: start its group again')
  t.is(await endOf(upgrade.together('verifying', a, async () => {})), 'b has stopped: start its group again')
})

test('members that are stalled go along with one that tries again, and not with one that comes late to a failed try', async (t) => {
  const { a, b, upgrade } = group()
  await endOf(upgrade.together('verifying', a, () => Promise.reject(new Error('no'))))
  let follows = false
  const following = upgrade.whenOthersTry(a).then(() => {
    follows = true
  })
  await endOf(upgrade.together('verifying', b, async () => {}))
  await Promise.resolve()
  t.false(follows)
  void endOf(upgrade.together('verifying', b, async () => {}))
  await following
  t.true(follows)
  // It has come already: whoever stalls now goes along at once.
  await upgrade.whenOthersTry(a)
})

test('a member whose upgrade has gone another way does not fail the others', async (t) => {
  const { a, b, upgrade } = group()
  const over = new AbortController()
  over.abort(new Error('undone'))
  const gone = endOf(upgrade.together('scheduling', a, () => Promise.reject(over.signal.reason), over.signal))
  t.is(await gone, 'undone')
  let isFailed = false
  void upgrade
    .together('scheduling', b, async () => {})
    .catch(() => {
      isFailed = true
    })
  await new Promise((resolve) => setImmediate(resolve))
  t.false(isFailed)
})

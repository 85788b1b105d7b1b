/**
 * The part that all orders share: they tell their target first, can be tried without doing anything, and ask
 * nobody who is not there.
 */
import { join } from 'node:path'
import test from 'ava'
import { connectOperator } from 'theseus-actors'
import { newKey } from 'theseus-actors/nkeys'
import { requireConfirmation } from '../../natsctl/output/confirm.js'
import { natsctl, newDirectory, root } from './natsctlProcess.js'
import { startPages, systemWithServers } from './natsctlSystem.js'

test.serial('with --no-input nobody is asked, even at a terminal', async (t) => {
  const streams = [process.stdin, process.stderr] as { isTTY: boolean }[]
  const were = streams.map(({ isTTY }) => isTTY)
  t.teardown(() => {
    for (const [i, stream] of streams.entries()) Object.assign(stream, { isTTY: were[i] })
  })
  for (const stream of streams) stream.isTTY = true
  const question = {
    does: 'forgets it',
    question: 'Forget it?',
    refused: 'not forgotten',
    before: () => t.fail('nobody is there'),
  }
  await t.throwsAsync(requireConfirmation({ input: false }, question), { message: 'error: this forgets it: give --yes' })
  t.is(await requireConfirmation({ input: true, yes: true }, question), undefined)
})

test.serial('every order tells its target before anything is changed, and with --dry-run changes nothing', async (t) => {
  const login = { user: 'u', pass: 's3cret' }
  const at = await systemWithServers(t, 'orders', { login })
  const { system, ways } = at
  await startPages(t, at, ['p1'])
  const operator = await connectOperator({ system, ...ways })
  t.teardown(() => operator.close())
  const file = join(newDirectory(t), '1.upgrade')
  const env = { ...at.env, NATS_URL: at.env.NATS_URL.replace('://', '://u:s3cret@') }
  const source = join(root, 'samples/02-pages-comments/upgrades/1-comments.ts')
  t.is((await natsctl(t, ['upgrade', 'build', source, '-O', file])).code, 0)
  await operator.setInTable('authorized', 'p1', 'yes')
  await operator.hold('p1', 'for this test')
  const state = async () => ({
    history: (await operator.history()).length,
    controls: (await operator.database.controls()).map(({ kind }) => kind),
    nodes: (await operator.database.nodes()).map(({ nodeId }) => nodeId),
    table: [...(await operator.database.table('authorized'))],
    final: await operator.database.finalized(),
  })

  const tries = async (orders: readonly (readonly [readonly string[], RegExp])[]) => {
    const before = await state()
    for (const [args, would] of orders) {
      const { code, stdout, stderr, target } = await natsctl(t, [...args, '--dry-run'], { env })
      t.is(code, 0, stderr)
      t.is(target, `system ${system}: NATS at ${at.env.NATS_URL}, Redis at ${at.env.THESEUS_REDIS}\n`, args.join(' '))
      t.regex(stdout, would)
      const json = await natsctl(t, [...args, '--dry-run', '-o', 'json'], { env })
      t.is(JSON.parse(json.stdout).dryRun, true, args.join(' '))
    }
    t.deepEqual(await state(), before)
  }
  await tries([
    [['upgrade', 'publish', file], /^would be version 1 of system orders: Readers can/],
    [['upgrader', 'set', newKey().publicKey], /^would be version 1 of system orders: from the next/],
    [['node', 'hold', 'p1'], /^would hold node p1\n/],
    [['node', 'release', 'p1'], /^would release node p1\n/],
    [['node', 'upgrade', 'p1'], /^would let node p1 go to version 1 now\n/],
    [['node', 'forget', 'p1', '--force'], /^would forget node p1 \(service pages/],
    [['table', 'set', 'authorized', 'p1', 'no'], /^would set authorized: p1 = no\n/],
    [['table', 'rm', 'authorized', 'p1'], /^authorized: would remove p1\n/],
    [['record', 'p1.calls'], /^would record arguments and answers of calls to all services of system orders, for 60 s/],
  ])
  t.is((await natsctl(t, ['upgrade', 'publish', file], { env })).code, 0)
  await tries([
    [['rollout', 'pause'], /^would pause version 1\n/],
    [['rollout', 'resume'], /^would let version 1 go on\n/],
    [['rollout', 'retry'], /^would let 0 nodes try version 1 again\n/],
    [['rollout', 'undo'], /^would undo version 1/],
  ])
  // An order that can't be carried out is none either when it is tried.
  t.is((await natsctl(t, ['node', 'hold', 'p9', '--dry-run'], { env })).code, 6)
  t.is((await natsctl(t, ['table', 'rm', 'authorized', 'p9', '--dry-run'], { env })).code, 1)
  t.regex((await natsctl(t, ['upgrade', 'publish', file, '--dry-run'], { env })).stderr, /^upgrade\.invalid: /)
  const asked = await natsctl(t, ['rollout', 'undo', '--no-input'], { env })
  t.deepEqual([asked.code, asked.stdout], [2, ''])
  t.regex(asked.stderr, /^error: this undoes version 1 .*: give --yes\n$/)
})

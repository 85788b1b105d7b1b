/** Commands that run in one process, one after the other, are those that run in processes of their own. */
import test from 'ava'
import { NatsctlProcess, natsctl, newDirectory } from './natsctlProcess.js'

const nowhere = { NATS_URL: 'nats://127.0.0.1:1', THESEUS_REDIS: 'redis://127.0.0.1:1' }

for (const [title, args, env] of [
  ['help', ['rollout', 'status', '--help'], {}],
  ['a mistake', ['rolout', 'status'], {}],
  ['a failure', ['node', 'ls', '-o', 'json'], { ...nowhere, THESEUS_SYSTEM: 's' }],
  ['completions', ['__complete', 'roll'], {}],
  ['what is printed as a document', ['trust', 'new', '--system', 's', '-O', 'nowhere/x.json', '-o', 'json'], {}],
] as const) {
  test(`${title}: a command ends with the same code, and says the same, in a process with others`, async (t) => {
    const cwd = newDirectory(t)
    const alone = await new NatsctlProcess(t, args, { cwd, env }).ended
    const [first, second] = await Promise.all([natsctl(t, args, { cwd, env }), natsctl(t, args, { cwd, env })])
    for (const { ms, ...beside } of [first, second]) t.deepEqual({ ...beside, ms: alone.ms }, alone)
  })
}

test('a command knows nothing of the environment and the directory of the one before it', async (t) => {
  const cwd = newDirectory(t)
  await natsctl(t, ['trust', 'show', 'x.json'], { cwd, env: { THESEUS_SYSTEM: 's' } })
  for (let again = 0; again < 4; again++) {
    const { code, stderr } = await natsctl(t, ['node', 'ls'])
    t.is(code, 2)
    t.regex(stderr, /which system\?/)
  }
})

test('a command whose environment is for Node.js itself has a process of its own', async (t) => {
  const { code, stderr } = await natsctl(t, ['--version'], { env: { NODE_DEBUG: 'module' } })
  t.is(code, 0)
  t.regex(stderr, /^MODULE \d+: /)
})

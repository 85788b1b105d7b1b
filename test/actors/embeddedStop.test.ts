/** Nothing but the embedded host keeps its process: so it does until it has stopped. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import test from 'ava'

const scriptOf = (name: string) => fileURLToPath(new URL(`../support/${name}.js`, import.meta.url))

test('an embedded host that is stopped while a call waits for another node stops before its process ends', async (t) => {
  const { stdout } = await promisify(execFile)(process.execPath, [scriptOf('stoppingHost')], { timeout: 20_000 })
  t.is(stdout, 'stopped\n')
})

test('a host that can’t stop, for its clock stands still, keeps its process no longer than its stop may take', async (t) => {
  const { stdout } = await promisify(execFile)(process.execPath, [scriptOf('stuckHost')], { timeout: 20_000 })
  t.is(stdout, 'stopping\n')
})

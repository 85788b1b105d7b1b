/** Nothing but the embedded host keeps its process: so it does until it has stopped. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import test from 'ava'

const script = fileURLToPath(new URL('../support/stoppingHost.js', import.meta.url))

test('an embedded host that is stopped while a call waits for another node stops before its process ends', async (t) => {
  const { stdout } = await promisify(execFile)(process.execPath, [script], { timeout: 20_000 })
  t.is(stdout, 'stopped\n')
})

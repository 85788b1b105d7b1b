/** `natsctl call` that is interrupted: whoever asked must know what may have happened. */
import test from 'ava'
import { command, NodeObject, query } from 'theseus-actors'
import { until } from '../support/eventually.js'
import { gate } from '../support/testSystem.js'
import { NatsctlProcess } from './natsctlProcess.js'
import { startPages, systemsOf } from './natsctlSystem.js'

const systems = systemsOf('calls')
let env: Readonly<Record<string, string>>
const running: string[] = []
const held = gate()

class Furnace extends NodeObject<object> {
  static override readonly className = 'Furnace.v1'
  static override initial() {
    return {}
  }

  @command async light(by: string): Promise<void> {
    running.push(by)
    await held.pass()
  }

  @query async look(by: string): Promise<string> {
    running.push(by)
    await held.pass()
    return 'dark'
  }
}

test.before(async () => {
  const at = systems()
  env = at.env
  await startPages(systems.file, at, ['f1', 'f2'], { nodeClass: Furnace })
  systems.file.teardown(() => held.open())
})

for (const [what, args, said] of [
  ['a command', ['f1', 'light', 'a command'], 'interrupted: f1.light was sent, and may be carried out or have been\n'],
  ['a query', ['f2', 'look', 'a query', '--query'], 'interrupted\n'],
] as const) {
  test(`Ctrl-C during ${what} ends it with 130, and tells ${said.trim()}`, async (t) => {
    const call = new NatsctlProcess(t, ['call', ...args, '--deadline', '60s'], { env })
    await until(() => running.includes(what), 'the method runs')
    call.child.kill('SIGINT')
    const { code, stdout, stderr } = await call.ended
    t.deepEqual([code, stdout, stderr], [130, '', said])
  })
}

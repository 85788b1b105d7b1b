/**
 * Many nodes of one process, each with its own identity and state, share what need not be there
 * twice (§2; DESIGN §5).
 */
import test from 'ava'
import { decode } from '../../core/wire/codec.js'
import { kinds } from '../../core/wire/envelope.js'
import { subjectsOf } from '../../core/wire/subjects.js'
import { TestSystem } from '../support/testSystem.js'
import { NotesV1, toV2, toV3 } from './notesClasses.js'

test('fifty nodes of one host learn two versions by one fetch of each manifest and each bundle', async (t) => {
  const system = await TestSystem.start(t, { limit: { percent: 100 } })
  const host = await system.host('h1')
  const nodes = await Promise.all(Array.from({ length: 50 }, (_, i) => host.node(NotesV1, `n${i}`)))
  const asked: string[] = []
  const { server } = subjectsOf(system.name)
  system.broker.filter = ({ from, message }) => {
    if (message.subject !== server || from !== host.running.id) return 'deliver'
    for (const envelope of decode(message.payload)) {
      if (envelope.kind === kinds.call && envelope.method !== 'head') asked.push(`${envelope.method} ${envelope.args[0]}`)
    }
    return 'deliver'
  }
  await system.publish(toV2())
  await system.publish(toV3())
  await Promise.all(nodes.map((node) => node.reached(2)))
  t.is(asked.filter((question) => question.startsWith('chunk')).length, 2, asked.join(', '))
  t.is(new Set(asked).size, asked.length, asked.join(', '))
})

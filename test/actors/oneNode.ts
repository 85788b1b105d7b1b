/** A system with one node of version 0, and its callers at versions 0 and 1. */
import type { ExecutionContext } from 'ava'
import { subjectsOf } from '../../core/wire/subjects.js'
import { type Settings, TestSystem } from '../support/testSystem.js'
import { NotesV1, NotesV2 } from './notesClasses.js'

export async function oneNode(t: ExecutionContext, settings: Settings = {}) {
  const system = await TestSystem.start(t, settings)
  const host = await system.host('h1')
  const node = await host.node(NotesV1, 'n1')
  const v0 = system.desk.ref(NotesV1, 'n1', { version: 0 })
  const v1 = system.desk.ref(NotesV2, 'n1', { version: 1 })
  return { system, host, node, v0, v1 }
}

/** The node serves version 0 with everything it had, and version 1 through its future-SO. */
export async function servesBoth(t: ExecutionContext, { v0, v1, node }: Awaited<ReturnType<typeof oneNode>>, notes: string[]) {
  t.is(node.version, 0)
  t.deepEqual(await v0.all(), notes)
  t.deepEqual(await v0.shelf(), [['k', 'kept']])
  t.is(await v0.mood(), 'merry')
  t.deepEqual(await v1.all(), notes)
  t.is(await v1.stars(0), 1)
  t.is(await v1.add('more'), notes.length + 1)
  t.deepEqual(await v0.all(), [...notes, 'more'])
}

export async function fill({ v0 }: Awaited<ReturnType<typeof oneNode>>): Promise<void> {
  await v0.add('first')
  await v0.put('k', 'kept')
  await v0.setMood('merry')
}

/** Whether anybody listens for the node's calls. */
export function isThere({ name, desk: { transport } }: TestSystem, nodeId: string): Promise<boolean> {
  const inbox = transport.newInbox()
  return new Promise((resolve) => {
    const heard = transport.subscribe(inbox, ({ noResponders }) => {
      heard.unsubscribe()
      resolve(!noResponders)
    })
    transport.publish(subjectsOf(name).node(nodeId), new Uint8Array([0]), inbox)
  })
}

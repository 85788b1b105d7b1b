/** The state directory of a host that is down, copied. */
import { type MemoryState, memoryStore } from '../../transports/memory/index.js'

/** A copy of a state directory, as of a volume: with its identity. */
export async function copyOf(state: MemoryState): Promise<MemoryState> {
  const from = await state.open()
  const copy = memoryStore({ directoryId: from.directoryId })
  const to = await copy.open()
  await to.commit([...from.range('', '\u{10ffff}')])
  await Promise.all([from.close(), to.close()])
  return copy
}

/**
 * A host's process, reduced to its state directory. `store.test.ts` starts, limits and kills
 * it. Speaks in lines.
 */
import { createInterface } from 'node:readline'
import { isFault } from '../../core/base/fault.js'
import type { StateStore } from '../../core/ports/stateStore.js'
import { lockDirectory } from '../../transports/lmdb/directoryLock.js'
import { lmdb } from '../../transports/lmdb/index.js'
import type { LocalDurability } from '../../transports/lmdb/lmdbStore.js'

const [, , role, directory = '', durability = 'process', kept = 'no log'] = process.argv
const say = (line: string): void => void process.stdout.write(`${line}\n`)
const numbered = (n: number): Uint8Array => new TextEncoder().encode(String(n))
const open = async (): Promise<StateStore> => {
  const store = await lmdb(directory, { durability: durability as LocalDurability }).open()
  if (kept === 'log') await store.keepLog?.()
  return store
}
const attempt = async (action: () => unknown): Promise<string> => {
  try {
    await action()
    return 'done'
  } catch (error) {
    return isFault(error) ? error.code : String(error)
  }
}

/** The same, a few hundred in a second. */
const pace = (): Promise<void> => write(() => new Promise((resolve) => setTimeout(resolve, 3)))

/** Commits without end, from where the directory ends, and says each number once it is acknowledged. */
async function write(pause?: () => Promise<void>): Promise<void> {
  const store = await open()
  say(`opened ${process.pid}`)
  const newest = store.get('newest')
  for (let n = newest === undefined ? 0 : Number(new TextDecoder().decode(newest)) + 1; ; n++) {
    await store.commit([
      [`a${n}`, numbered(n)],
      ['newest', numbered(n)],
      [`b${n}`, numbered(n)],
    ])
    say(String(n))
    await pause?.()
  }
}

/** Locks each directory that it is told, as soon as it is told, and keeps it until the next. */
async function contend(): Promise<void> {
  say('ready')
  let release = (): void => {}
  for await (const line of createInterface({ input: process.stdin })) {
    release()
    release = () => {}
    const outcome = await attempt(() => {
      const lock = lockDirectory(line)
      release = () => lock.release()
    })
    say(outcome)
  }
}

/** Commits more than its files may hold, then a little, then more again, and closes. */
async function overfill(): Promise<void> {
  const store = await open()
  await store.commit([['early', numbered(1)]])
  const tooMuch = new Uint8Array(2_000_000)
  const outcomes = await Promise.all([
    attempt(() =>
      store.commit([
        ['with', numbered(1)],
        ['much', tooMuch],
      ]),
    ),
    attempt(() => store.commit([['more', tooMuch]])),
  ])
  outcomes.push(await attempt(() => store.commit([['late', numbered(1)]])))
  outcomes.push(await attempt(() => store.commit([['most', tooMuch]])))
  say(outcomes.join(' '))
  say([...store.range('', 'z')].map(([key]) => key).join(' '))
  await store.close()
  say('closed')
}

const roles = { write, pace, contend, overfill }
await roles[role as keyof typeof roles]()

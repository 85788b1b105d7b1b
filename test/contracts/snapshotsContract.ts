/** The contract of every adapter of the port `Snapshots`. */
import test, { type ExecutionContext } from 'ava'
import type { Snapshots } from '../../core/ports/log.js'
import { refusalOf } from '../support/rejections.js'

async function slicesOf(snapshots: Snapshots, name: string): Promise<Uint8Array[]> {
  const found: Uint8Array[] = []
  for await (const slice of snapshots.read(name)) found.push(slice)
  return found
}

/** `fresh` makes a place that nobody has used before. */
export function snapshotsContract(name: string, fresh: (t: ExecutionContext) => Snapshots | Promise<Snapshots>): void {
  test(`${name}: a snapshot is read back slice by slice, as it was written`, async (t) => {
    const snapshots = await fresh(t)
    const slices = Array.from({ length: 30 }, (_, i) => new Uint8Array(i * 100).fill(i))
    slices.push(new Uint8Array(snapshots.sliceBytesMax).fill(7))
    await snapshots.write('1-1', slices)
    await snapshots.write('1-2', [])
    t.deepEqual([...(await snapshots.names())].sort(), ['1-1', '1-2'])
    const found = await slicesOf(snapshots, '1-1')
    t.is(Buffer.compare(Buffer.concat(found), Buffer.concat(slices)), 0)
    t.deepEqual(await slicesOf(snapshots, '1-2'), [])
    await snapshots.delete('1-1')
    await snapshots.delete('1-1')
    t.deepEqual(await snapshots.names(), ['1-2'])
    t.is((await refusalOf(t, () => slicesOf(snapshots, '1-1'))).code, 'config.log-lost')
  })

  test(`${name}: a snapshot that is not whole is not there, and its name can be written again`, async (t) => {
    const snapshots = await fresh(t)
    const failing = async function* (): AsyncGenerator<Uint8Array> {
      yield new Uint8Array([1])
      throw new Error('the owner is gone')
    }
    await t.throwsAsync(async () => snapshots.write('1-1', failing()), { message: 'the owner is gone' })
    t.deepEqual(await snapshots.names(), [])
    t.is((await refusalOf(t, () => slicesOf(snapshots, '1-1'))).code, 'config.log-lost')
    await snapshots.write('1-1', [new Uint8Array([2])])
    t.deepEqual(await slicesOf(snapshots, '1-1'), [new Uint8Array([2])])
  })

  test(`${name}: a slice that is too large is refused`, async (t) => {
    const snapshots = await fresh(t)
    const write = () => snapshots.write('1-1', [new Uint8Array(snapshots.sliceBytesMax + 1)])
    t.is((await refusalOf(t, write)).code, 'unavailable.storage')
    t.deepEqual(await snapshots.names(), [])
  })
}

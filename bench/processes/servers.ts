/**
 * The servers of one bench, on free ports of the loopback interface, and a directory that is
 * removed with them.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startNatsServer, startRedisServer, type TestServer } from '../../test/support/servers.js'

export interface Servers {
  readonly nats: TestServer
  readonly redis: TestServer
  readonly directory: string
}

export async function withServers<T>(use: (servers: Servers) => Promise<T>): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), 'theseus-bench-'))
  const remove = () => rmSync(directory, { recursive: true, force: true })
  process.once('exit', remove)
  const nats = await startNatsServer()
  const redis = await startRedisServer()
  try {
    return await use({ nats, redis, directory })
  } finally {
    await nats.stop()
    await redis.stop()
    remove()
    process.off('exit', remove)
  }
}

/**
 * Production mode: each thing that is wrong is a line, before anything is opened; a system that
 * is as it should be starts.
 */
import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'ava'
import { createHost, isFault, startUpgradeServer } from '../../index.js'
import { checkProduction } from '../../production.js'
import { nats } from '../../transports/nats/index.js'
import { redis } from '../../transports/redis/index.js'
import { newDirectory } from '../natsctl/natsctlProcess.js'
import { alice } from '../support/signedManifests.js'
import { rootOf } from '../support/trustRoots.js'

const system = 'shop'
const trust = [alice.publicKey]
const own = 1000
const safe = {
  ...{ production: true, system, trust },
  transport: nats({ servers: 'nats.example:4222', tls: {} }),
  udb: redis('rediss://redis.example:6379'),
}

function wrong(options: Parameters<typeof checkProduction>[0], userId: number | null): readonly string[] {
  try {
    checkProduction(options, userId)
    return []
  } catch (error) {
    if (!isFault(error) || error.code !== 'config.invalid') throw error
    const [first, ...lines] = error.message.split('\n')
    if (first !== 'production mode refuses to start:') throw error
    return lines
  }
}

test('what is as it should be starts; without production mode everything does', (t) => {
  t.deepEqual(wrong(safe, own), [])
  t.deepEqual(wrong({ ...safe, trust: rootOf() }, own), [])
  t.deepEqual(wrong(safe, null), [], 'an operating system without user ids')
  t.deepEqual(wrong({ ...safe, udb: redis({ path: '/run/redis.sock' }) }, own), [], 'nobody is on the way')
  t.deepEqual(wrong({ system, transport: nats('localhost'), udb: redis() }, 0), [])
  t.deepEqual(wrong({ production: false, system }, 0), [])
})

test('each thing that is wrong is a line that says what to do, all of them at once', (t) => {
  const lines = wrong({ production: true, system, transport: nats('localhost'), udb: redis('redis://localhost') }, 0)
  const beginnings = [
    'trust: give the upgraders',
    'transport: give nats({ tls: {} }): without',
    'udb: give a rediss:// URL, or',
    'user: run as',
  ]
  t.is(lines.length, beginnings.length, lines.join('\n'))
  for (const [i, beginning] of beginnings.entries()) t.true(lines[i]!.startsWith(`- ${beginning}`), lines[i])
  t.regex(wrong({ ...safe, trust: 'nobody' }, own)[0]!, /^- trust: give the upgraders/)
  t.deepEqual(wrong({ production: true, system, trust }, own), [
    '- transport, udb: give nats(…) and redis(…): an embedded system is for development',
  ])
  t.is(wrong({ ...safe, udb: redis({ host: 'redis.example' }) }, own).length, 1)
})

test('a neighbour is reached by TLS too', (t) => {
  const neighbours = { warehouse: { transport: nats('localhost'), udb: redis('redis://localhost') }, bank: { udb: safe.udb } }
  const lines = wrong({ ...safe, neighbours }, own)
  t.is(lines.length, 2, lines.join('\n'))
  t.true(lines[0]!.startsWith('- neighbours.warehouse.transport: give nats({ tls: {} }): without'), lines[0])
  t.true(lines[1]!.startsWith('- neighbours.warehouse.udb: give a rediss:// URL, or'), lines[1])
})

test('a key that everybody on the machine may read is named', async (t) => {
  const directory = newDirectory(t)
  const files = ['a.nk', 'a.creds', 'tls.key'].map((name) => join(directory, name))
  const [nkey, creds, keyFile] = files as [string, string, string]
  for (const file of files) await writeFile(file, 'secret')
  const lines = async (mode: number) => {
    for (const file of files) await chmod(file, mode)
    return [{ nkey }, { creds }, { tls: { keyFile } }].flatMap((login) =>
      wrong({ ...safe, transport: nats({ servers: 'nats.example', tls: {}, ...login }) }, own),
    )
  }
  for (const mode of [0o600, 0o400, 0o640]) t.deepEqual(await lines(mode), [])
  for (const mode of [0o644, 0o604])
    t.deepEqual(
      await lines(mode),
      files.map((file) => `- transport: chmod 600 ${file}: everybody on this machine may read it`),
    )
  t.deepEqual(wrong({ ...safe, transport: nats({ servers: 'n', tls: {}, nkey: join(directory, 'none') }) }, own), [])
})

test('hosts and upgrade servers ask before they open anything', async (t) => {
  let opened = 0
  const state = {
    open: async () => {
      opened++
      throw new Error('opened')
    },
  }
  const unsafe = { production: true, system, transport: nats('127.0.0.1:1'), udb: redis('redis://127.0.0.1:1') }
  for (const start of [() => createHost({ ...unsafe, state }), () => startUpgradeServer(unsafe)])
    await t.throwsAsync(start(), { code: 'config.invalid', message: /^production mode refuses to start:\n- trust: / })
  t.is(opened, 0)
})

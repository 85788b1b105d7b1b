/**
 * Bundles at an upgrade server: what is staged is refused beyond a bound, what is installed
 * stays, and can be mended.
 */
import 'reflect-metadata'
import test from 'ava'
import { digestOf } from '../../core/base/digest.js'
import { stagedBundlesMax } from '../../transports/udbFactory.js'
import { askServer } from '../support/askServer.js'
import { codeOf, TestSystem } from '../support/testSystem.js'
import { toV2, toV3 } from './notesClasses.js'

const digestNamed = (name: string) => digestOf(new TextEncoder().encode(name))

test('made-up chunks are refused beyond a bound, with what to do; what is installed is not touched by it', async (t) => {
  const system = await TestSystem.start(t)
  await system.publish(toV2())
  const put = (name: string) => askServer(system, 'install', 'putChunk', digestNamed(name), 0, new Uint8Array(9))
  for (let i = 0; i < stagedBundlesMax; i++) t.is(await put(`made up ${i}`), 'answered null')
  t.is(await put('one more'), 'unavailable.overloaded')
  t.is(await put('made up 3'), 'answered null')
  t.is(await codeOf(system.publish(toV3())), 'unavailable.overloaded')
  t.is((await system.database.head()).version, 1)
})

test('the bundle of an installed version that is not what its digest says can be sent again', async (t) => {
  const system = await TestSystem.start(t)
  const built = system.build(toV2())
  await system.desk.running.publish(built)
  const { digest } = built.manifest.bundle
  await system.database.putChunk(digest, 0, new Uint8Array([6, 6, 6]))
  await system.stopServer()
  await system.startServer()
  const put = (bytes: Uint8Array) => askServer(system, 'install', 'putChunk', digest, 0, bytes)
  t.is(await put(built.bundle), 'answered null')
  t.deepEqual(await system.database.getChunk(digest, 0), built.bundle)
  t.is(await put(new Uint8Array([6, 6, 6])), 'answered null')
  t.deepEqual(await system.database.getChunk(digest, 0), built.bundle)
})

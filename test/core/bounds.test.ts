/** Bounds of names, versions and keys, and what an upgrade allows, as they are documented. */
import test from 'ava'
import { isClassName, isVersion, versionMax } from '../../core/base/ids.js'
import { collectionKeyBytesMax } from '../../core/model/collection.js'
import { defaultGate, slowerMsMin } from '../../core/upgrade/gateLimits.js'

test('versions are numbers of 32 bits', (t) => {
  t.is(versionMax, 4_294_967_295)
  t.true(isVersion(versionMax))
  t.false(isVersion(versionMax + 1))
})

test('a list of text is no name of a class', (t) => {
  for (const value of [['Box'], 7, null, { length: 3 }]) t.false(isClassName(value))
})

test('keys of collections, and what an upgrade allows before it pauses itself, have their documented bounds', (t) => {
  t.is(collectionKeyBytesMax, 1024)
  t.is(slowerMsMin, 10)
  t.deepEqual(defaultGate, { moreFailuresMax: 0.05, slowerMax: 2, callsMin: 200 })
})

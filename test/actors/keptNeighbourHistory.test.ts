/** Another history of a neighbour counts only where its keys have signed it (N4). */
import 'reflect-metadata'
import test from 'ava'
import { dropOtherHistory, neighbourRestore } from '../../actors/neighbours/keptNeighbourHistory.js'
import { Fault } from '../../core/base/fault.js'
import { VerifiedHistory } from '../../core/control/verifiedHistory.js'
import type { HostEvent } from '../../core/inspection/hostEvents.js'
import { keys } from '../../core/model/nodeRecord.js'
import type { SignedManifest } from '../../core/upgrade/manifest.js'
import { pack } from '../../core/wire/codec.js'
import { memoryStore } from '../../transports/memory/index.js'
import { nkeySignatures } from '../../transports/nkeys/nkeys.js'
import { alice, bob, signedAfter, system } from '../support/signedManifests.js'

const empty = () => new VerifiedHistory(system, [alice.publicKey], nkeySignatures)
const [known, other, forged] = [{ title: 'known' }, { title: 'other' }, { title: 'forged' }].map((more, i) =>
  signedAfter(undefined, i === 2 ? bob : alice, more),
) as [SignedManifest, SignedManifest, SignedManifest]

async function open() {
  const kept = await memoryStore().open()
  await kept.commit([[keys.manifest(1), pack([known.bytes, known.signature])]])
  const verified = empty()
  verified.append(verified.check(known))
  const told: string[] = []
  const observe = (event: HostEvent) => void (event.type === 'warning' && told.push(event.message))
  const said: { answer: readonly SignedManifest[] | Fault; asked: number } = { answer: [known], asked: 0 }
  const server = {
    manifests: async () => {
      said.asked++
      if (said.answer instanceof Fault) throw said.answer
      return said.answer
    },
  }
  const restore = neighbourRestore(system, { verified, empty, kept, server, observe })
  const isKept = async () => {
    await dropOtherHistory(kept, system, empty(), observe)
    return kept.get(keys.manifest(1)) !== undefined
  }
  return { restore, told, said, isKept }
}

test('a history that the keys of a neighbour have not signed is told of once, and changes nothing', async (t) => {
  const { restore, told, said, isKept } = await open()
  said.answer = [forged]
  await restore.heard({ version: 1, digest: 'another' }, [])
  await restore.heard({ version: 1, digest: 'another' }, [])
  await restore.doesNotFollow(1)
  t.is(said.asked, 3)
  t.is(told.length, 1)
  t.regex(told[0]!, /is said to have another history, which its keys have not signed/)
  t.true(await isKept())
})

test('a word that its manifests do not bear out, or that nobody can look into, changes nothing', async (t) => {
  const { restore, told, said, isKept } = await open()
  await restore.heard({ version: 1, digest: 'another' }, [])
  said.answer = new Fault('timeout.deadline', 'nobody answers')
  await restore.heard({ version: 1, digest: 'another' }, [])
  t.deepEqual(told, [])
  t.true(await isKept())
  t.is(said.asked, 2)
})

test('another history that the keys have signed counts from the next start on, also after a forged one', async (t) => {
  const { restore, told, said, isKept } = await open()
  said.answer = [forged]
  await restore.heard({ version: 1, digest: 'another' }, [])
  said.answer = [other]
  await restore.doesNotFollow(1)
  await restore.heard({ version: 1, digest: 'another' }, [])
  t.is(said.asked, 2)
  t.regex(told[1]!, /has another history than the one that is known here/)
  t.false(await isKept())
  t.regex(told[2]!, /is dropped: it has begun another one/)
})

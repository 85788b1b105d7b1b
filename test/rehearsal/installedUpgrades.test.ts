/** Installed upgrades as nodes have them, undos among them. */
import test from 'ava'
import { VerifiedHistory } from '../../core/control/verifiedHistory.js'
import { gradually } from '../../core/schedules/gradually.js'
import { encodeManifest, type Manifest } from '../../core/upgrade/manifest.js'
import { installedUpgrades } from '../../rehearsal/rollout/installedUpgrades.js'
import { nkeySignatures } from '../../transports/nkeys/nkeys.js'
import { manifestOf, tills, upgradeOf } from './proposals.js'

const upgrade = upgradeOf([tills(gradually({ every: '1s', probability: 0.5 }))])
/** The upgrade, its undo, and the undo of that. */
const history = new VerifiedHistory('shop', undefined, nkeySignatures)
for (const [i, undoes] of [null, 1, 2].entries()) {
  const manifest: Manifest = { ...manifestOf(upgrade, i + 1), system: 'shop', undoes, previous: history.head.digest }
  history.append(history.check({ bytes: encodeManifest(manifest), signature: null }))
}

async function load(versions: readonly number[]) {
  const loaded: number[] = []
  const found = await installedUpgrades(history, versions, async ({ manifest }) => {
    loaded.push(manifest.version)
    return upgrade
  })
  const told = versions.map((version) => {
    const [{ oldClass, newClass, schedule }] = found.get(version)!.classUpgrades as [(typeof upgrade.classUpgrades)[number]]
    return [oldClass.className, newClass.className, schedule.describe]
  })
  return { loaded, told }
}

test('an undo is the upgrade turned round, the undo of an undo the upgrade again, with its schedule; the bundle is loaded once', async (t) => {
  const { loaded, told } = await load([1, 2, 3])
  t.deepEqual(loaded, [1])
  t.deepEqual(told, [
    ['Till.v1', 'Till.v2', 'gradually({ every: 1s, probability: 0.5 })'],
    ['Till.v2', 'Till.v1', 'eagerly'],
    ['Till.v1', 'Till.v2', 'gradually({ every: 1s, probability: 0.5 })'],
  ])
})

test('what an undo is made of is loaded though it is not asked for', async (t) => {
  t.deepEqual(await load([3]), { loaded: [1], told: [['Till.v1', 'Till.v2', 'gradually({ every: 1s, probability: 0.5 })']] })
  t.deepEqual(await load([2]), { loaded: [1], told: [['Till.v2', 'Till.v1', 'eagerly']] })
})

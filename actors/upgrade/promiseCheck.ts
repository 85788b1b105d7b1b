/**
 * The promises of an upgrade as a node sees them before it goes away: it waits while its going would break
 * one. An upgrade server looks every two seconds, and a host that has died lets the next node of a set go
 * sooner.
 */
import type { Version } from '../../core/base/ids.js'
import { type Control, isToldToGo } from '../../core/control/control.js'
import { promisesIn } from '../../core/upgrade/manifest.js'
import { riskOfGoing } from '../../core/upgrade/promisedRollout.js'
import type { UpgradingNode } from './upgradingNode.js'

/** Why the node should not go now. An operator who has resumed the rollout, or told it to go, decides. */
export async function promiseAtRisk(
  { id, services: { history, nodeRowCache, controls } }: Pick<UpgradingNode, 'id' | 'services'>,
  target: Version,
  signal: AbortSignal,
): Promise<string | undefined> {
  const manifest = history.manifests[target - 1]
  if (manifest === undefined || promisesIn(manifest).length === 0) return undefined
  const risk = riskOfGoing(manifest, await nodeRowCache.nodes(), id)
  if (risk === undefined) return undefined
  const found = await controls.until(() => true, signal)
  return isToldToGo(found, id, target) || found.some((each) => hasHeeded(each, target, risk.key)) ? undefined : risk.what
}

function hasHeeded(control: Control, target: Version, key: string): boolean {
  return control.kind === 'gate' && control.version === target && control.heeded.includes(key)
}

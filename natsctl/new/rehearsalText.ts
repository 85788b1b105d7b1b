/** The test of an upgrade: a starter script of calls of both versions, played on both sides of the flip. */
import { decisionValue, quoted } from './codeText.js'
import type { Comparison, Method, Side } from './comparison.js'
import { mappingName } from './mappingText.js'
import type { Modules } from './modules.js'

export interface RehearsalImports {
  /** How the test imports the upgrade and its mapping. */
  readonly upgrade: string
  readonly mapping: string
}

export function rehearsalText(title: string, { old, next }: Comparison, modules: Modules, beside: RehearsalImports): string {
  const calls = callsOf([old, next], 'command')
  const observations = callsOf([old, next], 'query')
  const mappings = [mappingName(next), mappingName(old)]
  return `/** Plays the upgrade against a node in memory, and lists what contradicts the criteria of the paper (§7). Add the calls that matter. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { rehearse, type ScriptedCall } from 'theseus-actors/rehearsal'
import { ${old.exportName} } from '${modules[old.exportName]}'
import upgrade from '${beside.upgrade}'
import { ${mappings.toSorted().join(', ')} } from '${beside.mapping}'

const calls: ScriptedCall[] = [
${calls.join('\n')}
]

/** Queries: what a version sees just before the node upgrades, it must see just after, or be refused. */
const observations: ScriptedCall[] = [
${observations.join('\n')}
]

test(${quoted(`${title}: callers of both versions see one state, before the upgrade and after it`)}, async () => {
  const script = [...calls, 'flip' as const, ...calls]
  assert.deepEqual(await rehearse({ first: ${old.exportName}, upgrades: [upgrade], script, observations, mappings: [${mappings.join(', ')}] }), [])
})
`
}

/** Each method of this kind once, at the version of its class. */
function callsOf(sides: readonly Side[], kind: Method['kind']): readonly string[] {
  return sides.flatMap(({ methods }, version) =>
    [...methods]
      .filter(([, method]) => method.kind === kind)
      .map(([name, method]) => `  { version: ${version}, method: ${quoted(name)}, args: ${argsText(name, method, version)} },`),
  )
}

/**
 * The first argument is the same in all calls, so that they are about the same; other texts
 * tell the versions apart.
 */
function argsText(name: string, { parameters, samples }: Method, version: number): string {
  const texts = samples.map((sample, i) => (i > 0 && sample === "'a'" ? `'at version ${version}'` : sample))
  if (texts.every((text) => text !== undefined)) return `[${texts.join(', ')}]`
  return decisionValue(`${name}: arguments to try it with, a list for ${parameters.join(', ')}`)
}

/**
 * docs/grafana-dashboard.json asks for the metrics that hosts export, each of them and no
 * other, by labels that they have.
 */
import 'reflect-metadata'
import { readFileSync } from 'node:fs'
import test from 'ava'
import { createHost } from '../../index.js'
import { prometheus } from '../../telemetry/prometheus/index.js'
import { memoryStore } from '../../transports/memory/index.js'
import { readExposition } from './exposition.js'

interface Panel {
  readonly title: string
  readonly targets?: readonly { readonly expr: string }[]
}

const dashboard = JSON.parse(readFileSync(new URL('../../../docs/grafana-dashboard.json', import.meta.url), 'utf8')) as {
  readonly panels: readonly Panel[]
}
const expressions = dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))

test('the dashboard shows every metric of Theseus, and none that there is not', async (t) => {
  const host = await createHost({
    system: 'board',
    state: memoryStore(),
    metrics: prometheus({ port: 0, processMetrics: false }),
  })
  t.teardown(() => host.stop())
  const exported = readExposition(await (await fetch(`${host.metricsUrl}/metrics`)).text()).map(({ name }) => name)
  const asked = expressions.flatMap((expression) => [...expression.matchAll(/\btheseus_\w+/g)].map(([name]) => name))
  const families = new Set(asked.map((name) => (exported.includes(name) ? name : name.replace(/_bucket$/, ''))))
  t.deepEqual([...families].sort(), [...exported].sort())
})

test('every panel is about the chosen system', (t) => {
  t.true(expressions.length > 20)
  for (const expression of expressions) {
    const selectors = expression.match(/\btheseus_\w+(\{[^}]*\})?/g) ?? []
    for (const selector of selectors) t.true(selector.includes('{system="$system"'), expression)
  }
})

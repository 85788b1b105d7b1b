/**
 * The files that `natsctl new service` writes: a class with one command and one query, its test, and what
 * `natsctl up` and the compiler need.
 */
import type { ServiceNames } from './serviceNames.js'

export function classText({ service, className, exportName, saysService }: ServiceNames): string {
  const serviceLine = saysService ? `\n  static override readonly service = '${service}'` : ''
  return `/** The service ${service}, version 1. Replace its methods by your own; nothing but public methods can be called. */
import { command, NodeObject, query } from 'theseus-actors'

/** The root record is small; what grows is in collections. Both are plain data. */
export class ${exportName} extends NodeObject<{ count: number }, { records: string }> {
  static override readonly className = '${className}'${serviceLine}
  static override initial(): { count: number } {
    return { count: 0 }
  }

  /** A command may change the state. When it has been answered, what it wrote survives a crash. */
  @command put(key: string, text: string): number {
    const records = this.collection('records')
    if (!records.has(key)) this.state.count++
    records.put(key, text)
    return this.state.count
  }

  /** A query only looks. */
  @query get(key: string): string | null {
    return this.collection('records').get(key) ?? null
  }
}
`
}

export function testText({ service, exportName }: ServiceNames): string {
  return `/** Runs ${exportName} on an embedded system: in this process, without servers, its state in a directory of its own. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import { createHost, type Remote } from 'theseus-actors'
import { ${exportName} } from './${service}.v1.js'

test('${service}: what was put is there, also when the host has started again', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), '${service}-'))
  t.after(() => rm(directory, { recursive: true, force: true }))

  await onAHost(directory, async (node) => {
    assert.equal(await node.put('a', 'one'), 1)
    assert.equal(await node.put('b', 'two'), 2)
    assert.equal(await node.put('a', 'three'), 2)
  })
  await onAHost(directory, async (node) => {
    assert.equal(await node.get('a'), 'three')
    assert.equal(await node.get('c'), null)
  })
})

async function onAHost(directory: string, use: (node: Remote<${exportName}>) => Promise<void>): Promise<void> {
  const host = await createHost({ system: '${service}-test', directory })
  try {
    await host.node(${exportName}, '${service}1')
    await use(host.ref(${exportName}, '${service}1'))
  } finally {
    await host.stop()
  }
}
`
}

/** The config of `natsctl up`: two nodes on one host. */
export function upConfigText(names: ServiceNames, module: string, system: string): string {
  return `${JSON.stringify({ system, hosts: { h1: hostEntry(names, module) } }, null, 2)}\n`
}

export function hostEntry({ service, exportName }: ServiceNames, module: string): object {
  return { module, nodes: { [`${service}1`]: exportName, [`${service}2`]: exportName } }
}

/** As docs/guide.md has it; test/house holds the two together. */
export function tsconfigText(sources: string): string {
  return `{
  "compilerOptions": {
    "target": "es2024",
    "module": "nodenext",
    "types": ["node"],
    "rootDir": ${JSON.stringify(sources)},
    "outDir": "dist",
    "strict": true,
    "skipLibCheck": true,
    "experimentalDecorators": true
  },
  "include": [${JSON.stringify(sources)}]
}
`
}

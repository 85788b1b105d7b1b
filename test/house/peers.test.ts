/** The bench's peers are the bench's alone, and their lock file holds wherever they are installed from. */
import { readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import test from 'ava'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../../..')

function json(path: string): { readonly [part: string]: any } {
  return JSON.parse(readFileSync(join(root, path), 'utf8'))
}

const shared = ['nats', 'reflect-metadata']

test('the root depends on no peer of the bench', (t) => {
  const { dependencies, devDependencies, packages } = { ...json('package.json'), ...json('package-lock.json') }
  const peers = Object.keys(json('bench/peers/package.json').dependencies).filter((name) => !shared.includes(name))
  t.true(peers.length > 0)
  const there = [...Object.keys(dependencies), ...Object.keys(devDependencies), ...Object.keys(packages)]
  t.deepEqual(
    peers.filter((name) => there.some((each) => each === name || each.endsWith(`node_modules/${name}`))),
    [],
  )
})

test('peers are pinned exactly, those that Theseus uses too to the same version', (t) => {
  const { dependencies } = json('bench/peers/package.json')
  for (const [name, version] of Object.entries<string>(dependencies)) t.regex(version, /^(npm:\w+@)?\d+\.\d+\.\d+$/, name)
  for (const name of shared) t.is(dependencies[name], json('package.json').dependencies[name])
})

test('the lock files name no registry', (t) => {
  for (const path of ['package-lock.json', 'bench/peers/package-lock.json'])
    for (const [name, { resolved }] of Object.entries<{ resolved?: string }>(json(path).packages)) t.falsy(resolved, name)
})

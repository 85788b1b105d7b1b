// npm run bench [-- names and options]: installs and builds what is missing, then measures on the pinned
// Node.js. --help names the options.
import { spawnSync } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { become, bin, build, environment, install, root, say, servers } from './lib.mjs'

/** The peers are the bench's alone. It goes on without those that can't be had, and says so. */
function installPeers() {
  const directory = join(root, 'bench', 'peers')
  const installed = join(directory, 'node_modules', '.package-lock.json')
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(join(directory, 'package-lock.json')).mtimeMs) return
  say('installing the peers')
  const { status, stderr } = spawnSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: directory,
    env: environment,
    encoding: 'utf8',
  })
  if (status !== 0) say(`the peers can't be installed: ${stderr?.trim().split('\n').at(0)}`)
}

const others = ['hops', 'rollout', 'pause', 'rewind', 'state', 'scale', 'memory', 'bundle', 'logs', 'shards', 'charts']
const named = process.argv.slice(2).filter((argument) => !argument.startsWith('-'))
const hasPeers = named.includes('calls') || named.includes('all') || !others.some((name) => named.includes(name))

install()
// Drawing what is kept needs none.
if (!named.includes('charts')) servers()
build()
if (hasPeers && !process.argv.includes('--help')) installPeers()
become(bin('node'), ['dist/bench/main.js', ...process.argv.slice(2)])

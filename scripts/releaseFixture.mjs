// node scripts/releaseFixture.mjs COMMIT RELEASE: makes test/fixtures/releases/RELEASE with the code of
// COMMIT: its package, a state directory, a Redis dump and messages. Needs nats-server and redis-server. Its
// output differs in keys, ids and times from run to run.
import { spawn, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bin, environment, fail, install, root, say, servers } from './lib.mjs'

const [commit, release] = process.argv.slice(2)
if (commit === undefined || release === undefined) fail('usage: node scripts/releaseFixture.mjs COMMIT RELEASE')
install()
servers()
const work = mkdtempSync(join(tmpdir(), 'theseus-release-'))
const out = join(root, 'test', 'fixtures', 'releases', release)

say(`building ${commit}`)
const source = join(work, 'source')
mkdirSync(source)
sh(root, `git archive ${commit} | tar -x -C ${source}`)
symlinkSync(join(root, 'node_modules'), join(source, 'node_modules'))
sh(source, `${bin('tsc')} -p tsconfig.json`)
rmSync(out, { recursive: true, force: true })
mkdirSync(out, { recursive: true })
// Not the source map of every file: it is the code that is tried.
sh(source, `find dist -name '*.map' -delete && npm pack --ignore-scripts --silent --pack-destination ${work}`)
const packed = readdirSync(work).find((name) => name.endsWith('.tgz'))
renameSync(join(work, packed), join(out, 'theseus.tgz'))

say('running it')
// A release is installed as `theseus`, its own name notwithstanding: the app imports that.
const app = join(work, 'app')
cpSync(join(root, 'test', 'fixtures', 'releases', 'app'), app, { recursive: true })
const modules = join(app, 'node_modules')
mkdirSync(join(modules, 'theseus'), { recursive: true })
// The package under its former name here is today's code.
for (const name of readdirSync(join(root, 'node_modules')))
  if (!name.startsWith('.') && name !== 'theseus') symlinkSync(join(root, 'node_modules', name), join(modules, name))
sh(work, `tar -xzf ${join(out, 'theseus.tgz')} -C ${join(modules, 'theseus')} --strip-components 1`)
// The package finds what it depends on where npm would have put it.
symlinkSync(join(root, 'node_modules'), join(modules, 'theseus', 'node_modules'))
const [natsPort, redisPort] = [await freePort(), await freePort()]
const children = [
  spawn('nats-server', ['--addr', '127.0.0.1', '--port', String(natsPort)], { stdio: 'ignore' }),
  spawn('redis-server', ['--bind', '127.0.0.1', '--port', String(redisPort), '--save', '', '--dir', work], { stdio: 'ignore' }),
]
const made = spawnSync(bin('node'), [join(app, 'make.mjs')], {
  stdio: 'inherit',
  env: {
    ...environment,
    NATS_URL: `nats://127.0.0.1:${natsPort}`,
    REDIS_URL: `redis://127.0.0.1:${redisPort}`,
    OUT: out,
    WORK: work,
    RELEASE: release,
    COMMIT: sh(root, `git rev-parse ${commit}`).trim(),
  },
})
for (const child of children) child.kill()
if (made.status !== 0) fail('the system could not be run')
// It names this machine and a process that is gone; LMDB makes its own anew.
for (const name of readdirSync(join(out, 'state'))) if (name !== 'data.mdb') rmSync(join(out, 'state', name))
sh(out, 'gzip -9 -n -f state/data.mdb redis.json messages.json')
rmSync(work, { recursive: true, force: true })
say(sh(root, `du -ah ${out}`).trim())

function sh(cwd, command) {
  const result = spawnSync('sh', ['-c', command], { cwd, env: environment, encoding: 'utf8' })
  if (result.status !== 0) fail(`${command} failed:\n${result.stdout}${result.stderr}`)
  return result.stdout
}

function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })
}

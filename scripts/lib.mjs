// The start of every script, on a machine that has only Node.js 20 and npm. Plain JavaScript
// without dependencies.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('..', import.meta.url))
export const bin = (name) => join(root, 'node_modules', '.bin', name)

/** The environment in which `node` is the pinned one. */
export const environment = { ...process.env, PATH: `${join(root, 'node_modules', '.bin')}${delimiter}${process.env.PATH}` }

export function fail(message) {
  process.stderr.write(`${message}\n`)
  process.exit(1)
}

/** Runs a command to its end; exits with one line when it fails. */
export function run(command, args, { quiet = false, what = `${command} ${args.join(' ')}` } = {}) {
  const result = spawnSync(command, args, { cwd: root, env: environment, encoding: 'utf8', stdio: quiet ? 'pipe' : 'inherit' })
  if (result.status === 0) return
  if (quiet) process.stderr.write(`${result.stdout ?? ''}${result.stderr ?? ''}`)
  fail(`${what} failed${result.error ? `: ${result.error.message}` : ''}`)
}

/** Runs a command, ends with its exit code, and passes signals on. */
export function become(command, args) {
  const child = spawn(command, args, { cwd: root, env: environment, stdio: 'inherit' })
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal))
  child.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 1)))
}

/**
 * Installs exactly what package-lock.json names, with the digests that it has, unless it is there already.
 * The lock file is not changed.
 */
export function install() {
  const installed = join(root, 'node_modules', '.package-lock.json')
  const isNewer = existsSync(installed) && statSync(installed).mtimeMs >= statSync(join(root, 'package-lock.json')).mtimeMs
  if (isNewer && existsSync(bin('node')) && existsSync(bin('tsc'))) return
  say('installing packages')
  // Findings of an audit are for "npm run audit" to tell, and no reason not to work.
  run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { quiet: true, what: 'npm ci' })
  if (!existsSync(bin('node')))
    fail('the package "node" has no binary: was npm told to ignore scripts? Run "npm ci" without --ignore-scripts')
}

export function build() {
  say('building')
  run(bin('tsc'), ['-p', 'tsconfig.json'], { what: 'the build' })
}

/**
 * nats-server, redis-server and what else is asked for, from the distribution's packages, where they are
 * missing and can be had.
 */
export function servers(...others) {
  const missing = ['nats-server', 'redis-server', ...others].filter((name) => spawnSync(name, ['--version']).error !== undefined)
  if (missing.length === 0) return
  const advice = `missing: ${missing.join(', ')}. Install them, for example with "apt-get install ${missing.join(' ')}"`
  const isDebian = existsSync('/etc/debian_version')
  const asRoot = process.getuid?.() === 0 ? [] : spawnSync('sudo', ['-n', 'true']).status === 0 ? ['sudo', '-n'] : undefined
  if (!isDebian || asRoot === undefined) fail(advice)
  say(`installing ${missing.join(' and ')}`)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  for (const args of [
    ['apt-get', '-qq', 'update'],
    ['apt-get', '-qq', '-y', '--no-install-recommends', 'install', ...missing],
  ]) {
    const [command, ...rest] = [...asRoot, ...args]
    const result = spawnSync(command, rest, { encoding: 'utf8', env })
    if (result.status !== 0) fail(`${result.stderr ?? ''}${advice}`)
  }
}

export function say(message) {
  process.stderr.write(`· ${message}\n`)
}

#!/usr/bin/env node
/**
 * The command `natsctl`. Nothing is imported before the version of Node.js is known: an older one would fail
 * at the first module with an error that says nothing to anybody.
 */
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)

if (major < 22 || (major === 22 && minor < 20)) {
  const advice = 'install a newer one from https://nodejs.org, or with "nvm install 24"'
  process.stderr.write(`natsctl needs Node.js 22.20 or newer, this is ${process.versions.node}: ${advice}\n`)
  process.exitCode = 1
} else {
  // A person who presses Tab waits for every module to be compiled, again and again.
  if (process.argv[2] === '__complete') await keepCompiled()
  const { run } = await import('./program.js')
  process.exitCode = await run(process.argv)
}

/** In a folder of the user's own: what is in it is run. In one of somebody else's nothing is kept. */
async function keepCompiled(): Promise<void> {
  const [{ enableCompileCache }, { mkdirSync, statSync }, { homedir }, { join }] = await Promise.all([
    import('node:module'),
    import('node:fs'),
    import('node:os'),
    import('node:path'),
  ])
  const folder = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'theseus')
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    const { uid, mode } = statSync(folder)
    if (process.geteuid === undefined || (uid === process.geteuid() && (mode & 0o022) === 0)) enableCompileCache(folder)
  } catch {
    // It is slower without.
  }
}

export {}

#!/usr/bin/env node
/**
 * The command `natsctl`. Nothing is imported before the version of Node.js is known: an older one would fail at the first module with an
 * error that says nothing to anybody.
 */
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)

if (major < 22 || (major === 22 && minor < 20)) {
  const advice = 'install a newer one from https://nodejs.org, or with "nvm install 24"'
  process.stderr.write(`natsctl needs Node.js 22.20 or newer, this is ${process.versions.node}: ${advice}\n`)
  process.exitCode = 1
} else {
  const { run } = await import('./program.js')
  process.exitCode = await run(process.argv)
}

export {}

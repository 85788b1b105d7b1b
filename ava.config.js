const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 22 || (major === 22 && minor < 20)) {
  throw new Error(
    `ava runs on Node.js 22.20 or newer, this is ${process.versions.node}: use "npm test", which runs on the pinned one`,
  )
}

export default {
  files: ['dist/test/**/*.test.js'],
  concurrency: 2,
  // Without a finished test for so long; machines are shared, and one test may be a whole rollout.
  timeout: '600s',
  workerThreads: false,
  require: ['./dist/test/support/exitsWhenDone.js'],
}

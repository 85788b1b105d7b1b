/**
 * Loaded by ava before each test file: a file whose tests have ended, and whose process goes on because
 * something was left open, is a failure of its own. Without this the whole run stands still until ava's
 * time-out, and the files after it are never run.
 */
import { registerCompletionHandler } from 'ava'

const mayTakeMs = 30_000
/** The slowest file takes a third of it. One that hangs is named, and the files after it are run. */
const fileMayTakeMs = 540_000

setTimeout(() => {
  throw new Error(`a test of this file has not ended after ${fileMayTakeMs / 1000} s`)
}, fileMayTakeMs).unref()

registerCompletionHandler(() => {
  const exit = setTimeout(() => {
    const open = process.getActiveResourcesInfo().join(', ')
    process.stderr.write(`the tests of this file have ended, and its process has not after ${mayTakeMs / 1000} s: ${open}\n`)
    process.exit(1)
  }, mayTakeMs)
  exit.unref()
})

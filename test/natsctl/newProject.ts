/**
 * A reader's own repository, in which things are made: theseus and a compiler are installed,
 * and nothing else is there.
 */
import { execFile } from 'node:child_process'
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { ExecutionContext } from 'ava'
import { newDirectory, root } from './natsctlProcess.js'

export function emptyRepository(t: ExecutionContext): string {
  const directory = newDirectory(t)
  writeFileSync(join(directory, 'package.json'), '{ "name": "shop", "type": "module" }')
  mkdirSync(join(directory, 'node_modules/@types'), { recursive: true })
  symlinkSync(root, join(directory, 'node_modules/theseus-actors'), 'dir')
  for (const name of ['typescript', 'undici-types', '@types/node'])
    symlinkSync(join(root, 'node_modules', name), join(directory, 'node_modules', name), 'dir')
  return directory
}

/** Every file that is not installed, in order. Installed files are not even looked at: others write there. */
export function filesIn(directory: string, within = ''): string[] {
  return readdirSync(join(directory, within), { withFileTypes: true })
    .flatMap((entry) => {
      const path = join(within, entry.name)
      if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : filesIn(directory, path)
      return entry.isFile() ? [path] : []
    })
    .sort()
}

export interface CommandResult {
  readonly failed: boolean
  readonly output: string
}

/** The project's compiler. */
export function tsc(cwd: string, ...args: readonly string[]): Promise<CommandResult> {
  return run(cwd, join(root, 'node_modules/.bin/tsc'), ['--pretty', 'false', ...args])
}

/** The runner that Node.js has. */
export function nodeTest(cwd: string, file: string): Promise<CommandResult> {
  return run(cwd, process.execPath, ['--test', file])
}

async function run(cwd: string, command: string, args: readonly string[]): Promise<CommandResult> {
  // The variables that ava sets for its workers would make the runner one of another kind.
  const { NODE_OPTIONS, NODE_TEST_CONTEXT, ...env } = process.env
  try {
    return { failed: false, output: (await promisify(execFile)(command, args, { cwd, env })).stdout }
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { readonly stdout?: string; readonly stderr?: string }
    return { failed: true, output: stdout + stderr }
  }
}

/** Type checks with the compiler's command: TypeScript 7 has no programming interface. */
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { Fault } from 'theseus-actors'

/** Lines of the compiler's output that a fault repeats. */
const linesMax = 100
const outputBytesMax = 64 * 1024 * 1024

/** Throws `upgrade.invalid` with the compiler's own lines, and `config.invalid` when there is no compiler. */
export async function typeCheck(source: string, tsconfig: string): Promise<void> {
  const { failed, output } = await runCompiler(source, ['--project', tsconfig, '--pretty', 'false'])
  if (!failed) return
  const lines = output.trim().split('\n')
  const more = lines.length > linesMax ? [`… and ${lines.length - linesMax} more lines`] : []
  throw new Fault('upgrade.invalid', [...lines.slice(0, linesMax), ...more].join('\n'), { source })
}

export interface CompilerRun {
  readonly failed: boolean
  readonly output: string
}

/** Runs the compiler that `source` is checked with. Rejects with `config.invalid` when there is none. */
export async function runCompiler(source: string, args: readonly string[]): Promise<CompilerRun> {
  return run(process.execPath, [findCompiler(source), ...args])
}

/** The project's own TypeScript before ours: it is the one that its editor agrees with. */
function findCompiler(source: string): string {
  for (const from of [source, import.meta.url]) {
    try {
      const path = createRequire(from).resolve('typescript/package.json')
      const { bin } = JSON.parse(readFileSync(path, 'utf8')) as { readonly bin: { readonly tsc: string } }
      return join(dirname(path), bin.tsc)
    } catch {}
  }
  throw new Fault(
    'config.invalid',
    `no TypeScript to check ${source} with: install "typescript", or build without the type check`,
    { source },
  )
}

function run(command: string, args: readonly string[]): Promise<CompilerRun> {
  return new Promise((resolve) => {
    execFile(command, args, { maxBuffer: outputBytesMax }, (error, stdout, stderr) => {
      resolve({ failed: error !== null, output: stdout.trim() || stderr.trim() || (error?.message ?? '') })
    })
  })
}

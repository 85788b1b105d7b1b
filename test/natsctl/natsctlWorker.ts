/**
 * A process that runs one natsctl command after the other, each with its own directory, environment and
 * output. Loading natsctl takes longer than most commands; a test file does it once.
 */
import { perform } from '../../natsctl/program.js'

export interface Order {
  readonly args: readonly string[]
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
}

/** Output as it is written, then the exit code. */
export type Told = { readonly stdout: string } | { readonly stderr: string } | { readonly code: number }

const tell = (told: Told): void => void process.send!(told)

function capture(): void {
  for (const name of ['stdout', 'stderr'] as const) {
    process[name].write = (chunk: string | Uint8Array, ...rest: readonly unknown[]): boolean => {
      const text = typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString()
      tell(name === 'stdout' ? { stdout: text } : { stderr: text })
      const written = rest.find((each) => typeof each === 'function')
      if (written !== undefined) setImmediate(written as () => void)
      return true
    }
  }
}

process.on('message', async ({ args, cwd, env }: Order) => {
  process.chdir(cwd)
  for (const name of Object.keys(process.env)) delete process.env[name]
  Object.assign(process.env, env)
  capture()
  let isOver = false
  const end = (code: number): void => {
    if (!isOver) tell({ code })
    isOver = true
  }
  // A command that ends its process ends here alone.
  process.exit = ((code = 0) => end(Number(code))) as typeof process.exit
  end(await perform(args))
})
const exit = process.exit.bind(process)
process.once('disconnect', () => exit())

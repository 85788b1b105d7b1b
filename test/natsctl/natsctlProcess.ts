/**
 * Runs natsctl as a user does, with nothing of this process's environment that would point it anywhere: as a
 * process of its own where a test is about processes, and otherwise in one that runs many commands
 * (`natsctlWorker.ts`).
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ExecutionContext } from 'ava'
import { until } from '../support/eventually.js'
import { type Ended, runNatsctl } from './natsctlPool.js'

/** The repository, from dist/test/natsctl. */
export const root = fileURLToPath(new URL('../../../', import.meta.url))
const main = join(root, 'dist/natsctl/main.js')

export interface ProcessResult {
  readonly code: number | null
  readonly stdout: string
  /** Without the line by which an order tells its target. */
  readonly stderr: string
  /** That line; empty for what is no order. */
  readonly target: string
  readonly ms: number
}

export interface Options {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
}

/** A natsctl that runs until somebody ends it. */
export class NatsctlProcess {
  readonly child: ChildProcess
  stdout = ''
  stderr = ''
  readonly ended: Promise<ProcessResult>

  constructor(t: ExecutionContext<any>, args: readonly string[], { cwd = root, env = {} }: Options = {}) {
    const startedAt = performance.now()
    const child = spawn(process.execPath, [main, ...args], {
      cwd,
      env: environmentWith(env),
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    child.stdout.setEncoding('utf8').on('data', (text) => {
      this.stdout += text
    })
    child.stderr.setEncoding('utf8').on('data', (text) => {
      this.stderr += text
    })
    this.child = child
    this.ended = new Promise((resolve) => {
      child.once('close', (code) => {
        const { stdout, stderr } = this
        resolve(resultOf({ code, stdout, stderr }, startedAt))
      })
    })
    t.teardown(async () => {
      child.kill('SIGKILL')
      await this.ended
    })
  }

  /** The documents that it has printed with `-o json` so far: one a line. */
  get documents(): any[] {
    const whole = this.stdout.slice(0, this.stdout.lastIndexOf('\n') + 1)
    return whole
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line))
  }

  /** Waits for a document. Rejects with what was printed when the process ends before. */
  document(of: (document: any) => boolean, what: string): Promise<any> {
    return until(() => {
      const found = this.documents.find(of)
      if (found === undefined && this.child.exitCode !== null) throw new Error(`natsctl ended before ${what}: ${this.stderr}`)
      return found
    }, what)
  }
}

/** One command that comes to its end by itself. `t` waits for it, whatever else the test does. */
export async function natsctl(
  t: ExecutionContext<any>,
  args: readonly string[],
  { cwd = root, env = {} }: Options = {},
): Promise<ProcessResult> {
  // Node.js reads these when it starts: the process of others has them as they were then.
  if (Object.keys(env).some((name) => name.startsWith('NODE_'))) return new NatsctlProcess(t, args, { cwd, env }).ended
  const startedAt = performance.now()
  const ending = runNatsctl({ args, cwd, env: environmentWith(env) })
  t.teardown(() => ending)
  return resultOf(await ending, startedAt)
}

/** Where nobody has selected a context. Most tests are of systems where upgrades need no signature. */
function environmentWith(env: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const { NATS_URL, NATS_CREDS, NATS_NKEY, NATS_CONTEXT, THESEUS_REDIS, THESEUS_SYSTEM, THESEUS_DEBUG, ...inherited } =
    process.env
  return {
    ...(inherited as Readonly<Record<string, string>>),
    XDG_CONFIG_HOME: join(root, 'nowhere'),
    THESEUS_TRUST: 'nobody',
    THESEUS_ANSWER_TIMEOUT: '10s',
    ...env,
  }
}

function resultOf({ code, stdout, stderr }: Ended, startedAt: number): ProcessResult {
  const [target = ''] = /^system \S+(?: \(context \S+\))?: NATS at .*, Redis at .*\n/.exec(stderr) ?? []
  return { code, stdout, stderr: stderr.slice(target.length), target, ms: performance.now() - startedAt }
}

export function newDirectory(t: Pick<ExecutionContext<any>, 'teardown'>): string {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), 'natsctl-')))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** A directory in which `theseus-actors` is installed. */
export function newProject(t: ExecutionContext<any>): string {
  const directory = newDirectory(t)
  mkdirSync(join(directory, 'node_modules'))
  symlinkSync(root, join(directory, 'node_modules/theseus-actors'), 'dir')
  return directory
}

export interface Process {
  readonly pid: number
  readonly parent: number
  readonly args: string
}

/** The processes that run now; what is dead and only waits to be noticed is none. */
export function processes(): Process[] {
  const lines = execFileSync('ps', ['-e', '-o', 'pid=,ppid=,stat=,args='], { encoding: 'utf8' }).split('\n')
  return lines.flatMap((line) => {
    const [, pid, parent, stat, args] = /^\s*(\d+)\s+(\d+)\s+(\S+)\s+(.*)$/.exec(line) ?? []
    return pid === undefined || stat!.startsWith('Z') ? [] : [{ pid: Number(pid), parent: Number(parent), args: args! }]
  })
}

export function descendants(of: number, among: readonly Process[] = processes()): Process[] {
  return among.filter(({ parent }) => parent === of).flatMap((child) => [child, ...descendants(child.pid, among)])
}

export function isRunning({ pid, args }: Process): boolean {
  return processes().some((other) => other.pid === pid && other.args === args)
}

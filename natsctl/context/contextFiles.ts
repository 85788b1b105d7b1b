/**
 * Where contexts are: those of the NATS command line
 * (`$XDG_CONFIG_HOME/nats/context/<name>.json`, the selected one's name in `nats/context.txt`),
 * and beside each, in the folder `theseus`, the system and the Redis address that belong to it.
 * The NATS command line passes over folders there; its own files are never written.
 */
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { isName } from 'theseus-actors/operator'
import { exitCodes, Failure, usageFailure } from '../output/exitCodes.js'
import { didYouMean } from '../output/nearest.js'
import { type NatsContext, natsContextOf } from './natsContext.js'
import { rootIn, type Trust, trustIn } from './trust.js'

/** The settings for which the NATS command line has no place. */
export interface SystemContext {
  readonly system?: string
  readonly redis?: string
  /** The name to call under. */
  readonly as?: string
  /** The upgraders who are trusted at version 0. */
  readonly trust?: Trust
}

export interface Context extends NatsContext, SystemContext {
  readonly name: string
}

export class ContextFiles {
  readonly #root: string

  constructor(private readonly env: NodeJS.ProcessEnv = process.env) {
    this.#root = join(env.XDG_CONFIG_HOME || join(homedir(), '.config'), 'nats')
  }

  path(name: string): string {
    return join(this.#root, 'context', `${name}.json`)
  }

  systemPath(name: string): string {
    return join(this.#root, 'context', 'theseus', `${name}.json`)
  }

  /** In order. */
  async names(): Promise<readonly string[]> {
    const entries = await readdir(join(this.#root, 'context'), { withFileTypes: true }).catch(ifMissing([]))
    return entries
      .filter((entry) => !entry.isDirectory() && entry.name.endsWith('.json'))
      .map((entry) => entry.name.slice(0, -'.json'.length))
      .filter(isContextName)
      .sort()
  }

  async selected(): Promise<string | undefined> {
    return (await read(join(this.#root, 'context.txt')))?.trim() || undefined
  }

  async has(name: string): Promise<boolean> {
    return isContextName(name) && (await read(this.path(name))) !== undefined
  }

  /**
   * The name of a context, or the path of a file that ends with `.json`. Throws when there is
   * none, or when it can't be used.
   */
  async find(nameOrPath: string): Promise<Context> {
    const text = nameOrPath.endsWith('.json') ? await read(nameOrPath) : undefined
    if (text === undefined) return this.read(nameOrPath)
    return { name: nameOrPath, ...natsContextOf(objectOf(nameOrPath, text), this.env, nameOrPath) }
  }

  /** Throws when there is none, or when it can't be used. */
  async read(name: string): Promise<Context> {
    const path = this.path(name)
    const text = isContextName(name) ? await read(path) : undefined
    if (text === undefined) throw await this.#missing(name)
    return { name, ...natsContextOf(objectOf(path, text), this.env, path), ...(await this.#beside(name)) }
  }

  /**
   * The context that is kept with this system. Throws where several are, unless one has the system's name,
   * and where it can't be used.
   */
  async ofSystem(system: string): Promise<Context | undefined> {
    const found: string[] = []
    for (const name of await this.names()) {
      const beside = await this.#beside(name).catch(() => undefined)
      if (beside?.system === system) found.push(name)
    }
    const chosen = found.includes(system) ? system : found[0]
    if (found.length > 1 && chosen !== system)
      throw usageFailure(
        `contexts ${found.join(' and ')} are both of system ${system}: give one of them its name, or take it from the others`,
      )
    return chosen === undefined ? undefined : this.read(chosen)
  }

  /**
   * Writes the selection of the NATS command line, and the one before for its
   * `context previous`, as it does itself.
   */
  async select(name: string): Promise<void> {
    const before = await this.selected()
    if (before !== undefined) await write(join(this.#root, 'previous-context.txt'), before)
    await write(join(this.#root, 'context.txt'), name)
  }

  async save(name: string, { system, redis, as, trust }: SystemContext): Promise<void> {
    await write(this.systemPath(name), `${JSON.stringify({ system, redis, as, trust }, undefined, 2)}\n`)
  }

  /** Whether something is kept beside it. */
  async hasBeside(name: string): Promise<boolean> {
    return isContextName(name) && (await read(this.systemPath(name))) !== undefined
  }

  /** False when there was nothing. */
  async remove(name: string): Promise<boolean> {
    const isThere = await this.hasBeside(name)
    if (isThere) await rm(this.systemPath(name), { force: true })
    return isThere
  }

  async #beside(name: string): Promise<SystemContext> {
    const path = this.systemPath(name)
    const text = await read(path)
    if (text === undefined) return {}
    const { system, redis, as, trust: list } = objectOf(path, text)
    if (as !== undefined && !isName(as)) throw usageFailure(`${path}: as is no name of a caller`)
    if (system !== undefined && !isName(system)) throw usageFailure(`${path}: system is no name of a system`)
    if (redis !== undefined && typeof redis !== 'string') throw usageFailure(`${path}: redis is no text`)
    const trust = list === undefined ? undefined : trustOf(list, path)
    if (list !== undefined && trust === undefined)
      throw usageFailure(`${path}: trust is neither a list of public keys nor a trust root nor "nobody"`)
    return {
      ...(system === undefined ? {} : { system }),
      ...(redis === undefined ? {} : { redis }),
      ...(as === undefined ? {} : { as }),
      ...(trust === undefined ? {} : { trust }),
    }
  }

  async #missing(name: string): Promise<Failure> {
    const near = didYouMean(name, await this.names())
    const advice = near === '' ? `; the NATS command line makes one: nats context save ${name}` : near
    return usageFailure(`there is no context ${name} in ${join(this.#root, 'context')}${advice}`)
  }
}

function trustOf(value: unknown, path: string): Trust | undefined {
  if (value === 'nobody') return value
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    try {
      return rootIn(JSON.stringify(value), path)
    } catch (error) {
      throw usageFailure((error as Error).message)
    }
  }
  const isTexts = Array.isArray(value) && value.every((text) => typeof text === 'string')
  return isTexts && !value.includes('nobody') ? trustIn(value) : undefined
}

/** As the NATS command line has it. */
function isContextName(name: string): boolean {
  return name !== '' && !name.includes('..') && !/[/\\]/.test(name)
}

function objectOf(path: string, text: string): Record<string, unknown> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    // Not what the parser says: it quotes, and there may be a password.
    throw usageFailure(`${path} is not JSON`)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw usageFailure(`${path} is no object of JSON`)
  return value as Record<string, unknown>
}

async function read(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    return ifMissing(undefined)(error as NodeJS.ErrnoException)
  }
}

function ifMissing<T>(instead: T): (error: NodeJS.ErrnoException) => T {
  return (error) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return instead
    throw new Failure(exitCodes.error, `error: ${error.message}`, { cause: error })
  }
}

/** Whole or not at all, and for nobody else: an address of Redis may hold a password. */
async function write(path: string, text: string): Promise<void> {
  const temporary = `${path}.${process.pid}.new`
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    await writeFile(temporary, text, { mode: 0o600 })
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {})
    throw new Failure(exitCodes.error, `error: can't write ${path}: ${(error as Error).message}`, { cause: error })
  }
}

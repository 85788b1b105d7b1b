/** The config of `natsctl up`: what is in it, and one line that names the field when it is wrong. */
import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname, relative, resolve } from 'node:path'
import type { NodeFacts, Trust } from 'theseus-actors'
import { isUpgraderKey } from 'theseus-actors/nkeys'
import { areFacts, isName } from 'theseus-actors/operator'
import { redisUrlAddress } from 'theseus-actors/redis'
import { natsOptionsOf } from '../context/flags.js'
import { rootIn } from '../context/trust.js'
import { usageFailure } from '../output/exitCodes.js'
import type { NeighbourConfig, NeighbourConfigs } from './upNeighbours.js'

export interface UpConfig {
  /** The config's own path, as a message names it. */
  readonly file: string
  /** The directory it lies in: modules are looked up from here. */
  readonly directory: string
  readonly system: string
  readonly nats: ServerChoice
  readonly redis: ServerChoice
  readonly hosts: readonly HostConfig[]
  /** The upgraders who are trusted at version 0; undefined: upgrades need no signature. */
  readonly trust: Trust | undefined
  /** The systems that this one's classes may call, by name. */
  readonly neighbours: NeighbourConfigs
}

/** A server that runs already, or one to start: on this port, or on a free one. */
export type ServerChoice = { readonly url: string } | { readonly port: number | undefined }

export interface HostConfig {
  readonly id: string
  /** As the config has it, for messages. */
  readonly module: string
  readonly path: string
  readonly nodes: readonly NodeConfig[]
  /** The facts about the nodes that are born on it; they never change. */
  readonly facts: NodeFacts
  /** The port of its metrics and health pages, if it is to have them. */
  readonly metrics?: number
}

export interface NodeConfig {
  readonly id: string
  /** The name under which the host's module exports the class. */
  readonly exportName: string
}

type Fields = Readonly<Record<string, unknown>>

/** Throws a usage failure, with the field's name, for a config that can't be. */
export async function readUpConfig(path: string, systemFlag: string | undefined): Promise<UpConfig> {
  const directory = dirname(resolve(path))
  const wrong = (field: string, what: string): never => {
    throw usageFailure(`${relative(process.cwd(), path) || path}: ${field}${field === '' ? '' : ': '}${what}`)
  }
  const checks = new Checks(wrong)
  const config = checks.fields('the whole', await parse(path, wrong), ['system', 'nats', 'redis', 'trust', 'neighbours', 'hosts'])
  const hosts = Object.entries(checks.fields('hosts', config.hosts ?? {})).map(([id, value]) =>
    hostOf(checks, directory, id, value),
  )
  checks.oneHostPerNode(hosts)
  return {
    file: path,
    directory,
    system: checks.name('system', config.system ?? systemFlag),
    nats: checks.server('nats', config.nats, isNatsUrl, natsExample),
    redis: checks.server('redis', config.redis, isRedisUrl, redisExample),
    hosts,
    trust: checks.trust('trust', config.trust, directory),
    neighbours: Object.fromEntries(
      Object.entries(checks.fields('neighbours', config.neighbours ?? {})).map(([system, value]) => [
        checks.name(`neighbours.${system}`, system),
        neighbourOf(checks, directory, `neighbours.${system}`, value),
      ]),
    ),
  }
}

function neighbourOf(checks: Checks, directory: string, field: string, value: unknown): NeighbourConfig {
  const { nats, redis, trust } = checks.fields(field, value, ['nats', 'redis', 'trust'])
  const known = trust === 'nobody' ? trust : checks.trust(`${field}.trust`, trust, directory)
  if (known === undefined)
    return checks.wrong(`${field}.trust`, 'give the keys of its upgraders, or "nobody" where it needs no signature')
  return {
    ...(nats === undefined ? {} : { nats: checks.url(`${field}.nats`, nats, isNatsUrl, natsExample) }),
    redis: checks.url(`${field}.redis`, redis, isRedisUrl, redisExample),
    trust: known,
  }
}

type Wrong = (field: string, what: string) => never

async function parse(path: string, wrong: Wrong): Promise<unknown> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    return wrong(
      '',
      code === 'ENOENT'
        ? 'there is no such file; name another with --config, or have one written by "natsctl new service <name>"'
        : message,
    )
  }
  try {
    return JSON.parse(text)
  } catch (error) {
    return wrong('', `this is not JSON: ${(error as Error).message}`)
  }
}

function hostOf(checks: Checks, directory: string, id: string, value: unknown): HostConfig {
  const field = `hosts.${id}`
  checks.name(field, id)
  const host = checks.fields(field, value, ['module', 'nodes', 'facts', 'metrics'])
  const module = checks.text(`${field}.module`, host.module)
  const nodes = Object.entries(checks.fields(`${field}.nodes`, host.nodes)).map(([nodeId, exportName]) => {
    checks.name(`${field}.nodes.${nodeId}`, nodeId)
    return { id: nodeId, exportName: checks.text(`${field}.nodes.${nodeId}`, exportName) }
  })
  const facts = checks.facts(`${field}.facts`, host.facts ?? {})
  const metrics = host.metrics === undefined ? {} : { metrics: checks.port(`${field}.metrics`, host.metrics) }
  return { id, module, path: resolve(directory, module), nodes, facts, ...metrics }
}

class Checks {
  constructor(readonly wrong: Wrong) {}

  fields(field: string, value: unknown, known?: readonly string[]): Fields {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return this.wrong(field, 'an object is expected')
    const unknown = known && Object.keys(value).find((key) => !known.includes(key))
    if (unknown !== undefined) {
      this.wrong(
        field === 'the whole' ? unknown : `${field}.${unknown}`,
        `there is no such field; there are ${known!.join(', ')}`,
      )
    }
    return value as Fields
  }

  text(field: string, value: unknown): string {
    return typeof value === 'string' && value !== '' ? value : this.wrong(field, 'a text is expected')
  }

  name(field: string, value: unknown): string {
    if (isName(value)) return value
    return this.wrong(
      field,
      value === undefined ? 'it is missing' : 'use letters, digits, - and _, beginning with a letter or digit',
    )
  }

  server(field: string, value: unknown, isUrl: (text: string) => boolean, example: string): ServerChoice {
    if (value === undefined) return { port: undefined }
    if (typeof value === 'string') return { url: this.url(field, value, isUrl, example) }
    const { port } = this.fields(field, value, ['port'])
    return { port: this.port(`${field}.port`, port) }
  }

  url(field: string, value: unknown, isUrl: (text: string) => boolean, example: string): string {
    return typeof value === 'string' && isUrl(value) ? value : this.wrong(field, `use an address such as ${example}`)
  }

  port(field: string, port: unknown): number {
    if (typeof port === 'number' && Number.isInteger(port) && port > 0 && port < 65_536) return port
    return this.wrong(field, 'a port number is expected')
  }

  /** A list of keys, a trust root, or the file of one. */
  trust(field: string, value: unknown, directory: string): Trust | undefined {
    if (value === undefined) return undefined
    if (typeof value === 'string' || (typeof value === 'object' && value !== null && !Array.isArray(value))) {
      try {
        const json = typeof value === 'string' ? readFileSync(resolve(directory, value), 'utf8') : JSON.stringify(value)
        const root = rootIn(json, typeof value === 'string' ? value : 'this')
        if (root !== 'nobody') return root
      } catch (error) {
        return this.wrong(field, (error as Error).message)
      }
    }
    const isList = Array.isArray(value) && value.length > 0 && new Set(value).size === value.length
    if (isList && value.every((key) => typeof key === 'string' && isUpgraderKey(key))) return value
    return this.wrong(
      field,
      'a list of public keys is expected, as "natsctl key new" prints them, or a trust root, or the file of one',
    )
  }

  facts(field: string, value: unknown): NodeFacts {
    return areFacts(value) ? value : this.wrong(field, 'names with texts are expected, such as { "zone": "eu" }')
  }

  /** DESIGN §5, "One node, one place". */
  oneHostPerNode(hosts: readonly HostConfig[]): void {
    const places = new Map<string, string>()
    for (const host of hosts) {
      for (const node of host.nodes) {
        const other = places.get(node.id)
        if (other !== undefined) this.wrong(`hosts.${host.id}.nodes.${node.id}`, `this node is on host ${other} already`)
        places.set(node.id, host.id)
      }
    }
  }
}

const natsExample = 'nats://127.0.0.1:4222'
const redisExample = 'redis://127.0.0.1:6379'

function isRedisUrl(text: string): boolean {
  return redisUrlAddress(text) !== '?'
}

function isNatsUrl(text: string): boolean {
  try {
    natsOptionsOf(text)
    return true
  } catch {
    return false
  }
}

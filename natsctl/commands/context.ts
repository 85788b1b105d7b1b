/**
 * `natsctl context`: the contexts of the NATS command line, with the system and the Redis
 * address that belong to each.
 */
import type { Command } from 'commander'
import { redisUrlAddress } from 'theseus-actors/redis'
import { redisFrom } from '../context/connection.js'
import { type Context, ContextFiles } from '../context/contextFiles.js'
import { type GlobalFlags, natsOptionsOf } from '../context/flags.js'
import { dryRunField, type OrderFlags, withDryRun } from '../context/orders.js'
import { natsAddress } from '../context/target.js'
import { describeTrust, type Trust } from '../context/trust.js'
import { type ExitCode, exitCodes, Failure, usageFailure } from '../output/exitCodes.js'
import { type Column, show, showList } from '../output/forms.js'
import { note, oneLine, print } from '../output/output.js'
import type { Program } from '../output/program.js'

/** One context as `-o json` shows it: no password, token or seed. */
interface ContextJson {
  readonly context: string
  readonly selected: boolean
  readonly description: string | null
  /** Without a login. */
  readonly url: string | null
  readonly login: 'user' | 'token' | 'creds' | 'nkey' | 'jwt' | null
  readonly creds: string | null
  readonly nkey: string | null
  readonly cert: string | null
  readonly key: string | null
  readonly ca: string | null
  readonly inboxPrefix: string | null
  readonly system: string | null
  /** Without a login. */
  readonly redis: string | null
  readonly as: string | null
  readonly trust: Trust | null
}

export function addContext(program: Program): void {
  const context = program.command.command('context').description('the contexts of the NATS command line, and the system of each')
  const files = new ContextFiles()
  context
    .command('ls')
    .description('list the contexts')
    .action(program.action((_: unknown, command: Command) => list(files, command.optsWithGlobals())))
  context
    .command('show')
    .description('show a context, without its secrets')
    .argument('[name]', 'the context; by default the selected one')
    .action(
      program.action((name: string | undefined, _: unknown, command: Command) => showOne(files, name, command.optsWithGlobals())),
    )
  const selecting = context
    .command('select')
    .description('use a context from now on, here and in the NATS command line')
    .argument('<name>', 'the context')
    .action(program.action((name: string, _: unknown, command: Command) => select(files, name, command.optsWithGlobals())))
  const saving = context
    .command('save')
    .description('keep --system, --redis, --as and --trust with a context; those that are not given stay')
    .argument('<name>', 'a context of the NATS command line')
    .action(program.action((name: string, _: unknown, command: Command) => save(files, name, command.optsWithGlobals())))
  const removing = context
    .command('rm')
    .description('forget the system, the Redis address, the name and the trust of a context; the context stays')
    .argument('<name>', 'the context')
    .action(program.action((name: string, _: unknown, command: Command) => remove(files, name, command.optsWithGlobals())))
  for (const command of [selecting, saving, removing]) withDryRun(command)
}

async function list(files: ContextFiles, flags: GlobalFlags): Promise<ExitCode> {
  const selected = await files.selected()
  const found: ContextJson[] = []
  for (const name of await files.names()) {
    try {
      found.push(contextJson(await files.read(name), name === selected))
    } catch (error) {
      // One that can't be used keeps nobody from the others.
      if (!(error instanceof Failure)) throw error
      note(error.message.replace(/^error: /, ''))
    }
  }
  showList(flags.output, found, { columns, document: (context) => context, name: contextName })
  if (found.length === 0) note('there are no contexts: make one with "nats context save"')
  return exitCodes.done
}

const columns: readonly Column<ContextJson>[] = [
  { title: 'CONTEXT', cell: ({ context }) => context },
  { title: 'SELECTED', cell: ({ selected }) => (selected ? '*' : '') },
  { title: 'NATS', cell: ({ url }) => url ?? '-' },
  { title: 'LOGIN', cell: ({ login }) => login ?? '-' },
  { title: 'SYSTEM', cell: ({ system }) => system ?? '-' },
  { title: 'REDIS', cell: ({ redis }) => redis ?? '-' },
  { title: 'CREDS', cell: ({ creds, nkey }) => creds ?? nkey ?? '-', isWide: true },
  { title: 'CERT', cell: ({ cert }) => cert ?? '-', isWide: true },
  { title: 'CA', cell: ({ ca }) => ca ?? '-', isWide: true },
  { title: 'DESCRIPTION', cell: ({ description }) => description ?? '', isWide: true },
]

async function showOne(files: ContextFiles, name: string | undefined, flags: GlobalFlags): Promise<ExitCode> {
  const selected = await files.selected()
  const chosen = name ?? flags.context ?? (process.env.NATS_CONTEXT || selected)
  if (chosen === undefined) throw new Failure(exitCodes.error, 'error: no context is selected: name one')
  const json = contextJson(await files.read(chosen), chosen === selected)
  show(flags.output, {
    table: () => {
      const lines = Object.entries(json).filter(([, value]) => value !== null)
      for (const [field, value] of lines) print(`${`${field}:`.padEnd(13)}${oneLine(String(value))}`)
    },
    document: () => json,
    names: () => [contextName(json)],
  })
  return exitCodes.done
}

async function select(files: ContextFiles, name: string, flags: OrderFlags): Promise<ExitCode> {
  await files.read(name)
  if (flags.dryRun !== true) await files.select(name)
  tell(flags, name, `${flags.dryRun === true ? 'would select' : 'selected'} context ${name}`, { context: name })
  const stronger = [
    'NATS_URL',
    'NATS_CREDS',
    'NATS_NKEY',
    'NATS_CONTEXT',
    'THESEUS_SYSTEM',
    'THESEUS_REDIS',
    'THESEUS_AS',
    'THESEUS_TRUST',
  ].filter((variable) => process.env[variable])
  if (stronger.length > 0) note(`${stronger.join(', ')} in the environment go before the selected context`)
  return exitCodes.done
}

async function save(files: ContextFiles, name: string, flags: OrderFlags): Promise<ExitCode> {
  const { system, redis, as, trust } = flags
  if (system === undefined && redis === undefined && as === undefined && trust === undefined)
    throw usageFailure('what is to be kept? Give --system <name>, --redis <url>, --as <name>, --trust <keys>, or several of them')
  if (redis !== undefined) redisFrom(redis)
  const before = await files.read(name)
  const kept = {
    ...pick(before),
    ...(system === undefined ? {} : { system }),
    ...(redis === undefined ? {} : { redis }),
    ...(as === undefined ? {} : { as }),
    ...(trust === undefined ? {} : { trust }),
  }
  if (flags.dryRun !== true) await files.save(name, kept)
  const what = [
    ...(kept.system === undefined ? [] : [`system ${kept.system}`]),
    ...(kept.redis === undefined ? [] : [`Redis at ${redisUrlAddress(kept.redis)}`]),
    ...(kept.as === undefined ? [] : [`as ${kept.as}`]),
    ...(kept.trust === undefined ? [] : [`trust ${describeTrust(kept.trust)}`]),
  ].join(', ')
  tell(flags, name, `${flags.dryRun === true ? 'would keep' : 'kept'} with context ${name}: ${what}`, {
    context: name,
    system: kept.system ?? null,
    redis: kept.redis === undefined ? null : redisUrlAddress(kept.redis),
    as: kept.as ?? null,
    trust: kept.trust ?? null,
  })
  return exitCodes.done
}

function pick({ system, redis, as, trust }: Context): Pick<Context, 'system' | 'redis' | 'as' | 'trust'> {
  return {
    ...(system === undefined ? {} : { system }),
    ...(redis === undefined ? {} : { redis }),
    ...(as === undefined ? {} : { as }),
    ...(trust === undefined ? {} : { trust }),
  }
}

async function remove(files: ContextFiles, name: string, flags: OrderFlags): Promise<ExitCode> {
  // Also of a context that the NATS command line has removed already.
  const isThere = flags.dryRun === true ? await files.hasBeside(name) : await files.remove(name)
  if (!isThere) throw new Failure(exitCodes.error, `error: nothing is kept with a context ${oneLine(name)}`)
  const what = `the settings kept with context ${name}`
  tell(flags, name, flags.dryRun === true ? `would forget ${what}` : `forgot ${what}`, { context: name })
  if (await files.has(name)) note(`the context itself is the NATS command line's: "nats context rm ${name}"`)
  return exitCodes.done
}

function tell(flags: OrderFlags, name: string, what: string, json: object): void {
  show(flags.output, {
    table: () => print(oneLine(what)),
    document: () => ({ ...json, ...dryRunField(flags) }),
    names: () => [contextName({ context: name })],
  })
}

function contextName({ context }: { readonly context: string }): string {
  return `context/${context}`
}

function contextJson(
  { name, description, url, login, tls, inboxPrefix, system, redis, as, trust }: Context,
  selected: boolean,
): ContextJson {
  return {
    context: name,
    selected,
    description: description ?? null,
    url: url === undefined ? null : natsAddress(natsOptionsOf(url)).join(','),
    login: login?.kind ?? null,
    creds: login?.kind === 'creds' ? login.creds : null,
    nkey: login?.kind === 'nkey' ? login.nkey : null,
    cert: tls?.certFile ?? null,
    key: tls?.keyFile ?? null,
    ca: tls?.caFile ?? null,
    inboxPrefix: inboxPrefix ?? null,
    system: system ?? null,
    redis: redis === undefined ? null : redisUrlAddress(redis),
    as: as ?? null,
    trust: trust ?? null,
  }
}

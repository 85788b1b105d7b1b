/** `natsctl service move|release`: where the nodes of a service live. Hosts move them one after the other. */
import { type Command, Option } from 'commander'
import type { Operator } from 'theseus-actors'
import { type Home, type HomeOrder, homeText, type MoveProgress, moveProgress } from 'theseus-actors/operator'
import { withSigningOperator } from '../context/connection.js'
import { durationFlag, nameFlag } from '../context/flags.js'
import { asSignedOrder, dryRunField, type OrderFlags } from '../context/orders.js'
import { type KeyFlags, keyFlag } from '../context/upgraderSeed.js'
import { type ExitCode, exitCodes, Failure, usageFailure } from '../output/exitCodes.js'
import { show } from '../output/forms.js'
import { count, note, oneLine, print } from '../output/output.js'
import type { Program } from '../output/program.js'

/** `--to` is a kind of home here, so the file of an order that several sign has another flag. */
interface ServiceOrderFlags extends Omit<OrderFlags, 'to'>, KeyFlags {
  readonly order?: string
}

interface MoveFlags extends ServiceOrderFlags {
  readonly to: Home['kind']
  readonly host?: string
  readonly reason?: string
  readonly wait: boolean
  readonly timeout?: number
}

const timeoutMsDefault = 600_000
const lookMs = 500
/** Nodes that a message names. */
const namedMax = 5
const fileFlag = '--order <file>'

export function addService(program: Program): void {
  const service = program.command.command('service').description('where the nodes of a service live')
  const moving = service
    .command('move')
    .description('move the nodes of a service into its shards, or out of them to a host, while they are called')
    .argument('<service>', 'the service', nameFlag)
    .addOption(new Option('--to <home>', 'where to').choices(['sharded', 'local']).makeOptionMandatory())
    .option('--host <host>', 'with --to local: the host that gets them', nameFlag)
    .option('--reason <text>', 'why; "natsctl orders" shows it')
    .option('--no-wait', 'end when the order is given')
    .addOption(new Option('--timeout <duration>', 'how long to wait (default: 10m)').argParser(durationFlag))
    .option(...keyFlag)
    .action(program.action((name: string, _: unknown, command: Command) => move(name, command.optsWithGlobals())))
  const releasing = service
    .command('release')
    .description('end what "move" has ordered: nodes that have not moved yet stay where they are')
    .argument('<service>', 'the service', nameFlag)
    .option(...keyFlag)
    .action(program.action((name: string, _: unknown, command: Command) => release(name, command.optsWithGlobals())))
  for (const command of [moving, releasing]) asSignedOrder(command, fileFlag)
}

function signing<T>({ order, ...flags }: ServiceOrderFlags, use: (operator: Operator) => Promise<T>): Promise<T> {
  return withSigningOperator({ ...flags, to: order! }, use)
}

function move(service: string, flags: MoveFlags): Promise<ExitCode> {
  return signing(flags, async (operator) => {
    const order = await operator.serviceMoves.plan(service, homeIn(flags), flags.reason ?? '')
    if (flags.dryRun !== true) await operator.serviceMoves.order(order)
    const isWaited = flags.dryRun !== true && flags.wait
    const progress = isWaited ? await untilMoved(operator, order, flags.timeout ?? timeoutMsDefault) : await look(operator, order)
    const { moved, left } = progress
    const did = flags.dryRun === true ? 'would move' : isWaited ? 'moved' : 'ordered to move'
    show(flags.output, {
      table: () => print(oneLine(`${did} service ${service} to ${homeText(order.to)}: ${progressText(progress)}`)),
      document: () => ({ service, ...toField(order.to), moved, left: left.map(({ nodeId }) => nodeId), ...dryRunField(flags) }),
      names: () => [`service/${service}`],
    })
    return exitCodes.done
  })
}

function toField(to: Home) {
  return to.kind === 'local' ? { to: to.kind, host: to.hostId } : { to: to.kind }
}

function homeIn({ to, host }: MoveFlags): Home {
  if (to === 'sharded' && host === undefined) return { kind: to }
  if (to === 'local' && host !== undefined) return { kind: to, hostId: host }
  throw usageFailure(to === 'local' ? '--to local needs --host <host>' : '--host is for --to local')
}

async function look(operator: Operator, { service, to }: HomeOrder): Promise<MoveProgress> {
  return moveProgress(await operator.database.nodes(service), to)
}

function progressText({ moved, left }: MoveProgress): string {
  return `${count(moved, 'node')} there, ${left.length} to come`
}

/** Hosts go on by themselves, also when nobody waits. */
async function untilMoved(operator: Operator, order: HomeOrder, timeoutMs: number): Promise<MoveProgress> {
  const untilMs = performance.now() + timeoutMs
  let told = -1
  for (;;) {
    const progress = await look(operator, order)
    if (progress.left.length === 0) return progress
    if (performance.now() >= untilMs) throw late(order, progress, timeoutMs)
    if (progress.moved !== told) note(progressText(progress))
    told = progress.moved
    await new Promise((resolve) => setTimeout(resolve, lookMs))
  }
}

function late({ service }: HomeOrder, { left }: MoveProgress, timeoutMs: number): Failure {
  const names = left
    .slice(0, namedMax)
    .map(({ nodeId, hostId, alive }) => `${nodeId} on ${hostId}${alive ? '' : ', which is away'}`)
  const more = left.length > namedMax ? `, and ${left.length - namedMax} more` : ''
  const message =
    `timeout.deadline: after ${timeoutMs / 1_000} s ${count(left.length, 'node')} of ${service} have not moved: ` +
    `${names.join('; ')}${more}. The order stands, and the logs of these hosts say what they wait for. ` +
    `"natsctl service release ${service}" takes the order back`
  return new Failure(exitCodes.timedOut, message)
}

function release(service: string, flags: ServiceOrderFlags): Promise<ExitCode> {
  return signing(flags, async (operator) => {
    const isOrdered = async () =>
      (await operator.database.controls()).some((each) => each.kind === 'home' && each.service === service)
    const wasOrdered = flags.dryRun === true ? await isOrdered() : await operator.serviceMoves.release(service, flags.reason)
    if (!wasOrdered) note(`no order moves service ${service}`)
    show(flags.output, {
      table: () => print(`${flags.dryRun === true ? 'would release' : 'released'} service ${service}`),
      document: () => ({ service, ...dryRunField(flags) }),
      names: () => [`service/${service}`],
    })
    return exitCodes.done
  })
}

/** `natsctl shard move|release`: where a shard is to be, whatever hashing prefers. */
import { type Command, Option } from 'commander'
import type { Operator } from 'theseus-actors'
import type { Placement } from 'theseus-actors/operator'
import { withSigningOperator } from '../context/connection.js'
import { durationFlag, nameFlag, shardFlag } from '../context/flags.js'
import { asSignedOrder, dryRunField, type OrderFlags } from '../context/orders.js'
import { type KeyFlags, keyFlag } from '../context/upgraderSeed.js'
import { type ExitCode, exitCodes, Failure } from '../output/exitCodes.js'
import { show } from '../output/forms.js'
import { note, oneLine, print } from '../output/output.js'
import type { Program } from '../output/program.js'

/** `--to` is a host here, so the file of an order that several sign has another flag. */
interface ShardOrderFlags extends Omit<OrderFlags, 'to'>, KeyFlags {
  readonly order?: string
}

interface MoveFlags extends ShardOrderFlags {
  readonly to?: string
  readonly wait: boolean
  readonly timeout?: number
}

const timeoutMsDefault = 60_000
const fileFlag = '--order <file>'

export function addShardOrders(shard: Command, program: Program): void {
  const moving = shard
    .command('move')
    .description('move a shard to another host, where it stays until it is released or that host stops')
    .argument('<service>', 'the service', nameFlag)
    .argument('<shard>', 'its number', shardFlag)
    .option('--to <host>', 'the host; by default the one that hashing prefers after the present owner', nameFlag)
    .option('--reason <text>', 'why; "natsctl shard ls -o wide" shows it')
    .option('--no-wait', 'end when the order is given')
    .addOption(new Option('--timeout <duration>', 'how long to wait (default: 60s)').argParser(durationFlag))
    .option(...keyFlag)
    .action(
      program.action((service: string, number: number, _: unknown, command: Command) =>
        move(service, number, command.optsWithGlobals()),
      ),
    )
  const releasing = shard
    .command('release')
    .description('end what "move" has ordered: the shard goes where hashing prefers, when its host has too many')
    .argument('<service>', 'the service', nameFlag)
    .argument('<shard>', 'its number', shardFlag)
    .option(...keyFlag)
    .action(
      program.action((service: string, number: number, _: unknown, command: Command) =>
        release(service, number, command.optsWithGlobals()),
      ),
    )
  for (const command of [moving, releasing]) asSignedOrder(command, fileFlag)
}

function signing<T>({ order, ...flags }: ShardOrderFlags, use: (operator: Operator, system: string) => Promise<T>): Promise<T> {
  return withSigningOperator({ ...flags, to: order! }, use)
}

function move(service: string, shard: number, flags: MoveFlags): Promise<ExitCode> {
  return signing(flags, async (operator) => {
    const placement = await operator.planShardMove({ service, shard, to: flags.to }, flags.reason ?? '')
    const { hostId } = placement
    if (flags.dryRun !== true) {
      await operator.placeShard(placement)
      if (flags.wait) await waitUntilThere(operator, placement, flags.timeout ?? timeoutMsDefault)
    }
    const did = flags.dryRun === true ? 'would move' : flags.wait ? 'moved' : 'ordered to move'
    show(flags.output, {
      table: () => print(oneLine(`${did} shard ${shard} of ${service} to host ${hostId}`)),
      document: () => ({ service, shard, host: hostId, isThere: flags.dryRun !== true && flags.wait, ...dryRunField(flags) }),
      names: () => [`shard/${service}/${shard}`],
    })
    return exitCodes.done
  })
}

async function waitUntilThere(operator: Operator, { service, shard, hostId }: Placement, timeoutMs: number): Promise<void> {
  if (await operator.shardIsAt(service, shard, hostId, timeoutMs)) return
  const message =
    `timeout.deadline: host ${hostId} does not have shard ${shard} of ${service} after ${timeoutMs / 1_000} s; the order stands. ` +
    `"natsctl shard ls" shows who has it, and "natsctl shard release ${service} ${shard}" takes the order back`
  throw new Failure(exitCodes.timedOut, message)
}

function release(service: string, shard: number, flags: ShardOrderFlags): Promise<ExitCode> {
  return signing(flags, async (operator) => {
    const controls = await operator.database.controls()
    const isPlaced = (each: (typeof controls)[number]) =>
      each.kind === 'place' && each.service === service && each.shard === shard
    const wasPlaced = flags.dryRun === true ? controls.some(isPlaced) : await operator.releaseShard(service, shard, flags.reason)
    if (!wasPlaced) note(`shard ${shard} of ${service} ${flags.dryRun === true ? 'is' : 'was'} not placed`)
    show(flags.output, {
      table: () => print(`${flags.dryRun === true ? 'would release' : 'released'} shard ${shard} of ${service}`),
      document: () => ({ service, shard, ...dryRunField(flags) }),
      names: () => [`shard/${service}/${shard}`],
    })
    return exitCodes.done
  })
}

/**
 * The part that all commands share that change something in a system: `--dry-run`, and that the target is
 * told on stderr before anything is changed.
 */
import type { Command } from 'commander'
import { note } from '../output/output.js'
import { embeddedSystem } from './connection.js'
import type { GlobalFlags } from './flags.js'
import type { ToFlags } from './orderFile.js'
import { targetLine, targetOf } from './target.js'

export interface OrderFlags extends GlobalFlags, ToFlags {
  readonly dryRun?: true
  /** Why it is ordered. */
  readonly reason?: string
}

type Reaches = (flags: object) => boolean

const orders = new WeakMap<Command, Reaches>()

/** @param reaches whether it reaches a system with these flags: any order does, unless it says otherwise */
export function asOrder(command: Command, reaches: Reaches = () => true): Command {
  orders.set(command, reaches)
  return withDryRun(command)
}

/** Of orders that upgraders sign: one that several have to sign goes to a file first. */
export function asSignedOrder(command: Command, flag = '--to <file>'): Command {
  if (!command.options.some(({ long }) => long === '--reason')) withReason(command)
  command.option(flag, 'sign it and write it to a file, for others to sign ("natsctl order"); nothing is sent')
  return asOrder(command)
}

export function withReason(command: Command): Command {
  return command.option('--reason <text>', 'why; "natsctl orders" shows it')
}

/** Of commands that change something on this machine alone. */
export function withDryRun(command: Command): Command {
  return command.option('--dry-run', 'say what it would do, and do nothing')
}

/** Before an order begins. Throws when no system is named. */
export async function printTarget(command: Command): Promise<void> {
  if (orders.get(command)?.(command.opts()) !== true) return
  const embedded = embeddedSystem()
  const where =
    embedded === undefined
      ? targetLine(await targetOf(command.optsWithGlobals<GlobalFlags>()))
      : `system ${embedded}: in this process`
  note(where)
}

/** The further fields of an order's document when nothing was done. */
export function dryRunField({ dryRun }: Pick<OrderFlags, 'dryRun'>): { readonly dryRun?: true } {
  return dryRun === true ? { dryRun } : {}
}

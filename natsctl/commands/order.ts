/**
 * `natsctl order`: an order that several have to sign goes from one to the other as a file, and is sent when
 * it has enough signatures.
 */
import type { Command } from 'commander'
import { identityAt, isTrustRoot } from 'theseus-actors/operator'
import { explainNoServer, withOperator } from '../context/connection.js'
import type { GlobalFlags } from '../context/flags.js'
import {
  encodeOrderFile,
  identityOf,
  type OrderFile,
  readOrderFile,
  showOrder,
  signedDocumentOf,
  signedOrder,
  systemOf,
} from '../context/orderFile.js'
import { asOrder, dryRunField, type OrderFlags } from '../context/orders.js'
import { targetOf } from '../context/target.js'
import { type KeyFlags, keyFlag, signerNeeded } from '../context/upgraderSeed.js'
import { writeAtomically } from '../output/atomicFile.js'
import { type ExitCode, exitCodes, Failure } from '../output/exitCodes.js'
import { restrictForms, show } from '../output/forms.js'
import { print } from '../output/output.js'
import type { Program } from '../output/program.js'

export function addOrder(program: Program): void {
  const order = program.command.command('order').description('an order that several sign: a file that a command with --to wrote')
  const showing = order
    .command('show')
    .description('show what it orders, for which system, and who has signed it')
    .argument('<file>', 'the file')
    .action(
      program.action(async (file: string, _: unknown, command: Command) => {
        showOrder(file, await readOrderFile(file), command.optsWithGlobals<GlobalFlags>().output)
        return exitCodes.done
      }),
    )
  const signing = order
    .command('sign')
    .description('add a signature; it needs no system')
    .argument('<file>', 'the file')
    .option(...keyFlag)
    .action(program.action((file: string, _: unknown, command: Command) => sign(file, command.optsWithGlobals())))
  const sending = order
    .command('send')
    .description('have it carried out')
    .argument('<file>', 'the file')
    .action(program.action((file: string, _: unknown, command: Command) => send(file, command.optsWithGlobals())))
  for (const command of [showing, signing]) restrictForms(command, 'table', 'json', 'yaml')
  asOrder(sending)
}

async function sign(file: string, flags: GlobalFlags & KeyFlags): Promise<ExitCode> {
  const order = await readOrderFile(file)
  await checkOwn(file, order, flags)
  const signed = signedOrder(order, await signerNeeded(flags))
  await writeAtomically(file, encodeOrderFile(signed))
  showOrder(file, signed, flags.output)
  return exitCodes.done
}

/** One who was given the trust root of a system signs nothing for another one. */
async function checkOwn(file: string, order: OrderFile, flags: GlobalFlags): Promise<void> {
  const { trust } = await targetOf(flags)
  if (trust === undefined || trust === 'nobody' || !isTrustRoot(trust)) return
  const own = order.purpose === 'manifest' ? identityAt(trust, order.manifest.version) : trust.identity
  const [system, identity] = [systemOf(order), identityOf(order)]
  if (system === trust.system && identity === own) return
  const found = `system ${system}, ${identity === null ? 'which has no identity' : `identity ${identity}`}`
  throw new Failure(
    exitCodes.error,
    `upgrade.signature: ${file} is for ${found}, and the trust root is of system ${trust.system}, identity ${own}`,
  )
}

async function send(file: string, flags: OrderFlags): Promise<ExitCode> {
  const order = await readOrderFile(file)
  return withOperator({ ...flags, system: flags.system ?? systemOf(order) }, async (operator, system) => {
    const signed = signedDocumentOf(order)
    let result: number | boolean | null = null
    if (flags.dryRun === true) showOrder(file, order, 'table')
    else if (order.purpose === 'directive') result = await explainNoServer(system, operator.sendSigned(signed))
    // The bundle of an undo is stored; one that changes no class has an empty one.
    else
      result = await explainNoServer(
        system,
        operator.publishSigned(order.manifest.bundle.bytes === 0 ? new Uint8Array(0) : null, signed),
      )
    const what = order.purpose === 'directive' ? `directive ${order.directive.number}` : `version ${order.manifest.version}`
    show(flags.output, {
      table: () => print(`${what} of system ${system} ${flags.dryRun === true ? 'would be sent' : 'is carried out'}`),
      document: () => ({ file, sent: what, result, ...dryRunField(flags) }),
      names: () => [`order/${file}`],
    })
    return exitCodes.done
  })
}

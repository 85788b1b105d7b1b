/**
 * An error of commander says which word is wrong. This adds what to type instead: the verbs that there are,
 * the command as it is used, or where its flags are told.
 */
import type { Command } from 'commander'
import { oneLine, withoutSeeds } from './output.js'
import { asTyped } from './typed.js'

/** For the command and all commands below it. */
export function adviseUsage(command: Command): void {
  command.configureOutput({
    outputError: (text, write) => write(`${asTyped(withoutSeeds(oneLine(advised(command, text.trimEnd()))))}\n`),
  })
  command.commands.forEach(adviseUsage)
}

function advised(command: Command, text: string): string {
  // A flag that refuses a value says itself which it takes.
  return text.includes(' is invalid. ') ? text : `${text.replace(/\.$/, '')}: ${adviceOf(command, text)}`
}

function adviceOf(command: Command, text: string): string {
  const typed = pathOf(command)
  const verbs = command.commands.map((each) => each.name())
  if (/\boption '/.test(text)) return `"${typed} --help" shows the flags`
  if (command.parent === null) return `"${typed} --help" shows the commands`
  if (verbs.length > 0) return `type "${typed} <verb>", where the verb is one of ${verbs.join(', ')}`
  return `type "${typed} ${command.usage()}"`
}

function pathOf(command: Command): string {
  return command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`
}

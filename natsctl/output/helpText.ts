/**
 * Help as people read it: a command's own part first, examples, then the flags that every command has. It
 * fits 80 columns, and uses no more than 100.
 */
import type { Command, Help } from 'commander'
import { examplesOf } from './examples.js'
import { asTyped } from './typed.js'

/** Longer lines are hard to read. */
const widthMax = 100
/** A longer term has a line of its own. */
const termWidthMax = 28
const indent = '  '

/** For `configureHelp` of the root: commands below it inherit it. */
export const helpText: Partial<Help> = {
  showGlobalOptions: true,
  padWidth(command, helper) {
    const longest = [
      ...helper.visibleOptions(command).map((option) => helper.optionTerm(option)),
      ...helper.visibleGlobalOptions(command).map((option) => helper.optionTerm(option)),
      ...helper.visibleCommands(command).map((each) => helper.subcommandTerm(each)),
      ...helper.visibleArguments(command).map((argument) => helper.argumentTerm(argument)),
    ].reduce((most, term) => Math.max(most, term.length), 0)
    return Math.min(longest, termWidthMax)
  },
  formatItem(term, termWidth, description, helper) {
    const width = Math.min(helper.helpWidth ?? 80, widthMax)
    const start = termWidth + 2 * indent.length
    // One column is left free: a terminal that is full to its last one begins a line of its own.
    const text = helper.boxWrap(description, Math.max(20, width - start - 1)).replaceAll('\n', `\n${' '.repeat(start)}`)
    if (description === '') return `${indent}${term}`
    if (term.length > termWidth) return `${indent}${term}\n${' '.repeat(start)}${text}`
    return `${indent}${term.padEnd(termWidth)}${indent}${text}`
  },
  formatHelp(command, helper) {
    const termWidth = helper.padWidth(command, helper)
    const width = Math.min(helper.helpWidth ?? 80, widthMax)
    const item = (term: string, description: string) => helper.formatItem(term, termWidth, description, helper)
    const section = (title: string, lines: readonly string[]) => (lines.length === 0 ? [] : [`${title}:`, ...lines, ''])
    const options = helper.visibleOptions(command).map((each) => item(helper.optionTerm(each), helper.optionDescription(each)))
    const isRoot = command.parent === null
    const description = helper.commandDescription(command)
    const groups = Map.groupBy(
      helper.visibleCommands(command),
      (each) => each.helpGroup() || (isRoot ? 'natsctl itself' : 'Commands'),
    )
    return [
      `Usage: ${helper.commandUsage(command)}`,
      '',
      ...(description === '' ? [] : [helper.boxWrap(description, width - 1), '']),
      ...section(
        'Arguments',
        helper.visibleArguments(command).map((each) => item(helper.argumentTerm(each), helper.argumentDescription(each))),
      ),
      ...(isRoot ? [] : section('Options', options)),
      ...[...groups].flatMap(([title, commands]) =>
        section(
          title,
          commands.map((each) => item(isRoot ? each.name() : helper.subcommandTerm(each), helper.subcommandDescription(each))),
        ),
      ),
      ...section(
        'Examples',
        examplesOf(pathOf(command)).map((line) => `${indent}${asTyped(line)}`),
      ),
      ...(isRoot
        ? section('Flags of every command', options)
        : section(
            'Flags of every command',
            helper.visibleGlobalOptions(command).map((each) => item(helper.optionTerm(each), helper.optionDescription(each))),
          )),
    ].join('\n')
  },
}

/** `rollout pause`; empty for natsctl itself. */
export function pathOf(command: Command): string {
  if (command.parent === null) return ''
  return `${pathOf(command.parent)} ${command.name()}`.trim()
}

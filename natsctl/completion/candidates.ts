/**
 * The candidates that can come next on a command line, out of the commands as they are declared. Pure: live
 * names are asked of somebody else.
 */
import type { Command, Option } from 'commander'

export interface Candidate {
  readonly text: string
  readonly description: string
}

/** The kind of name that is wanted. */
export type Kind =
  | 'node'
  | 'service'
  | 'class'
  | 'version'
  | 'table'
  | 'tableKey'
  | 'shard'
  | 'host'
  | 'context'
  | 'system'
  | 'file'

export interface Wanted {
  /** Known already. */
  readonly candidates: readonly Candidate[]
  /** To be looked up. */
  readonly kinds: readonly Kind[]
  /** The part of it that is typed so far. */
  readonly prefix: string
  /** Put before each candidate: `--service=`. */
  readonly before: string
  /** The flags with values that stand on the line, by their names in `optsWithGlobals`. */
  readonly flags: Readonly<Record<string, string>>
  /** The arguments before it. */
  readonly args: readonly string[]
}

/** @param words all after `natsctl`, the last one up to the cursor, empty if nothing is typed of it yet */
export function wantedNext(root: Command, words: readonly string[]): Wanted {
  const { line, isSplit } = joined(words)
  const typed = line.at(-1) ?? ''
  const flags: Record<string, string> = {}
  const args: string[] = []
  let command = root
  let isEnded = false
  let needsValue: Option | undefined
  for (const word of line.slice(0, -1)) {
    if (needsValue !== undefined) {
      flags[needsValue.attributeName()] = word
      needsValue = undefined
    } else if (isEnded) args.push(word)
    else if (word === '--') isEnded = true
    else if (word.startsWith('-') && word !== '-') {
      const [name = '', value] = splitFlag(word)
      const option = optionsOf(command).find(({ long, short }) => name === long || name === short)
      if (option === undefined || !takesValue(option)) continue
      if (value === undefined) needsValue = option
      else flags[option.attributeName()] = value
    } else {
      const verb = args.length === 0 ? subcommandsOf(command).find((one) => one.name() === word) : undefined
      if (verb === undefined) args.push(word)
      else command = verb
    }
  }
  const of = (prefix: string, before: string, next: Pick<Wanted, 'candidates' | 'kinds'>): Wanted => {
    const candidates = next.candidates.filter(({ text }) => text.startsWith(prefix))
    return { candidates, kinds: next.kinds, prefix, before, flags, args }
  }
  if (needsValue !== undefined) return of(typed, '', valuesOf(needsValue))
  if (isEnded) return of(typed, '', argumentOf(command, args.length))
  const [name = '', value] = splitFlag(typed)
  if (typed.startsWith('--') && value !== undefined) {
    const option = optionsOf(command).find(({ long }) => long === name)
    const next = option !== undefined && takesValue(option) ? valuesOf(option) : nothing
    return of(value, isSplit ? '' : `${name}=`, next)
  }
  if (typed.startsWith('-')) return of(typed, '', { candidates: flagsOf(command), kinds: [] })
  const verbs = args.length === 0 ? subcommandsOf(command) : []
  const { candidates, kinds } = argumentOf(command, args.length)
  return of(typed, '', { candidates: [...verbs.map((one) => candidate(one.name(), one.description())), ...candidates], kinds })
}

const nothing = { candidates: [], kinds: [] } as const

/** bash takes `--flag=value` apart. */
function joined(words: readonly string[]): { readonly line: readonly string[]; readonly isSplit: boolean } {
  const line: string[] = []
  let isSplit = false
  for (const [index, word] of words.entries()) {
    const before = line.at(-1)
    const isEquals = word === '=' && before?.startsWith('--') === true && !before.includes('=')
    const isValue = words[index - 1] === '=' && before?.endsWith('=') === true
    isSplit = isEquals || isValue
    if (isSplit) line[line.length - 1] = `${before}${word}`
    else line.push(word)
  }
  return { line, isSplit }
}

function splitFlag(word: string): readonly [name: string, value?: string] {
  const at = word.startsWith('--') ? word.indexOf('=') : -1
  return at < 0 ? [word] : [word.slice(0, at), word.slice(at + 1)]
}

function subcommandsOf(command: Command): readonly Command[] {
  return command.commands.filter((one) => one.name() !== 'help')
}

/** Its own, and those of the commands above. */
function optionsOf(command: Command): readonly Option[] {
  return [...command.options, ...(command.parent === null ? [] : optionsOf(command.parent))]
}

function takesValue(option: Option): boolean {
  return option.required || option.optional
}

function flagsOf(command: Command): readonly Candidate[] {
  const flags = optionsOf(command).flatMap((option) =>
    option.hidden || option.long == null ? [] : [candidate(option.long, option.description)],
  )
  return [...flags, candidate('--help', 'commands and options')]
}

function valuesOf(option: Option): Pick<Wanted, 'candidates' | 'kinds'> {
  if (option.argChoices !== undefined) return choices(option.argChoices)
  const kind = kindOfFlag(option.attributeName(), option.flags)
  return kind === undefined ? nothing : { candidates: [], kinds: [kind] }
}

function kindOfFlag(name: string, flags: string): Kind | undefined {
  switch (name) {
    case 'context':
    case 'system':
    case 'service':
    case 'class':
      return name
    case 'to':
      return flags.includes('<host>') ? 'host' : flags.includes('<file>') ? 'file' : undefined
    case 'for':
    case 'atVersion':
      return 'version'
    default:
      return flags.includes('<file>') ? 'file' : undefined
  }
}

function argumentOf(command: Command, index: number): Pick<Wanted, 'candidates' | 'kinds'> {
  const declared = command.registeredArguments
  const argument = declared[index] ?? (declared.at(-1)?.variadic === true ? declared.at(-1) : undefined)
  if (argument === undefined) return nothing
  if (argument.argChoices !== undefined) return choices(argument.argChoices)
  return { candidates: [], kinds: kindsOfArgument(argument.name(), command) }
}

function kindsOfArgument(name: string, command: Command): readonly Kind[] {
  switch (name) {
    case 'node':
    case 'version':
    case 'table':
    case 'file':
    case 'service':
    case 'shard':
      return [name]
    case 'id':
      return ['node']
    case 'module':
      return ['file']
    case 'target':
      return ['node', 'service']
    case 'key':
      return command.parent?.name() === 'table' ? ['tableKey'] : []
    case 'name':
      return command.parent?.name() === 'context' ? ['context'] : []
    default:
      return []
  }
}

function choices(texts: readonly string[]): Pick<Wanted, 'candidates' | 'kinds'> {
  return { candidates: texts.map((text) => candidate(text, '')), kinds: [] }
}

function candidate(text: string, description: string): Candidate {
  return { text, description }
}

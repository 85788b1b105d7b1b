/**
 * The forms in which data is printed (`-o table|wide|json|yaml|name`), and the one function
 * through which every command prints. YAML is of the same document as JSON; names are
 * `node/p1`, one on a line, as kubectl has them.
 */
import { createRequire } from 'node:module'
import type { Command } from 'commander'
import { usageFailure } from './exitCodes.js'
import { type Cell, controlCharacters, print, printJson, printTable, toJson } from './output.js'
import type { OutputForm } from './outputForms.js'

export type { OutputForm }

/** The output of a command, in every form. Only the one that is asked for is made. */
export interface Shown {
  /** For people; `wide` has more columns. */
  readonly table: (isWide: boolean) => void
  /** For programs: JSON and YAML. */
  readonly document: () => unknown
  readonly names?: () => readonly string[]
}

export function show(form: OutputForm, { table, document, names }: Shown): void {
  switch (form) {
    case 'table':
    case 'wide':
      table(form === 'wide')
      return
    case 'json':
      printJson(document())
      return
    case 'yaml':
      process.stdout.write(toYaml(document()))
      return
    case 'name':
      for (const name of names?.() ?? []) print(name)
  }
}

export interface Column<T> {
  readonly title: string
  readonly cell: (row: T) => Cell
  /** Only with `-o wide`. */
  readonly isWide?: true
}

export interface List<T> {
  readonly columns: readonly Column<T>[]
  readonly document: (row: T) => unknown
  readonly name: (row: T) => string
}

export function showList<T>(form: OutputForm, rows: readonly T[], { columns, document, name }: List<T>): void {
  show(form, {
    table: (isWide) => printColumns(columns, rows, isWide),
    document: () => rows.map(document),
    names: () => rows.map(name),
  })
}

export function printColumns<T>(columns: readonly Column<T>[], rows: readonly T[], isWide: boolean): void {
  const shown = columns.filter((column) => isWide || column.isWide !== true)
  printTable(
    shown.map(({ title }) => title),
    rows.map((row) => shown.map(({ cell }) => cell(row))),
  )
}

const formsOf = new WeakMap<Command, readonly OutputForm[]>()

/** Says that a command has these forms only; the others have them all. */
export function restrictForms(command: Command, ...forms: readonly OutputForm[]): Command {
  formsOf.set(command, forms)
  return command.addHelpText('after', `\nForms of output: ${forms.join(', ')}`)
}

/** Before anything is asked of anybody. Throws for a form that makes no sense for the command. */
export function checkForm(command: Command): void {
  const { output } = command.optsWithGlobals<{ readonly output: OutputForm }>()
  const forms = formsOf.get(command)
  if (forms === undefined || forms.includes(output)) return
  throw usageFailure(`"${pathOf(command)}" has no -o ${output}: use ${forms.join(' or ')}`)
}

/** `rollout watch`. */
function pathOf(command: Command): string {
  const { parent } = command
  return parent?.parent == null ? command.name() : `${pathOf(parent)} ${command.name()}`
}

/**
 * One document. Text that a terminal would obey is quoted and escaped, and text that one or the other schema
 * of YAML takes for no text is quoted.
 */
export function toYaml(value: unknown): string {
  // Loaded by the first who wants YAML: it is a tenth of all that natsctl is made of.
  const { Document, isScalar, Scalar, visit } = createRequire(import.meta.url)('yaml') as typeof import('yaml')
  // By the older schema, whose readers take `no` for false and a moment for no text.
  const document = new Document(JSON.parse(toJson(value)), { schema: 'yaml-1.1' })
  visit(document, {
    Scalar(_, node) {
      if (isScalar(node) && typeof node.value === 'string' && needsQuotes(node.value)) node.type = Scalar.QUOTE_DOUBLE
    },
  })
  return document.toString({ lineWidth: 0 }).replace(controlCharacters, (text) => [...text].map(escapedInYaml).join(''))
}

/** Numbers have many forms, of which each schema knows others. */
function needsQuotes(text: string): boolean {
  return /^[\d.+~-]/.test(text) || text.replaceAll('\n', '').search(controlCharacters) >= 0
}

function escapedInYaml(character: string): string {
  return character === '\n' ? character : `\\U${character.codePointAt(0)!.toString(16).padStart(8, '0')}`
}

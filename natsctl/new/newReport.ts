/** The output of `natsctl new` when it has written its files, or would have. */

import type { GlobalFlags } from '../context/flags.js'
import { note, oneLine, print, printJson } from '../output/output.js'
import { padded, widthOf } from '../output/width.js'
import type { NewFile } from './newFiles.js'

export interface NewFlags extends GlobalFlags {
  readonly dir?: string
  readonly dryRun?: true
}

/** One thing that is left to the reader: where it stands, and what the compiler says there. */
export interface Decision {
  readonly file: string
  readonly line: number
  readonly text: string
}

export interface NewReport {
  readonly files: readonly NewFile[]
  readonly decisions?: readonly Decision[]
  /** The things that do not fit: warnings. */
  readonly notes: readonly string[]
  /** The next steps, in order. */
  readonly next: readonly string[]
  readonly flags: NewFlags
}

export function printNewReport({ files, decisions, notes, next, flags }: NewReport): void {
  const isDryRun = flags.dryRun === true
  if (flags.output === 'json') {
    const listed = files.map(({ path, about, text }) => ({ file: path, about, ...(isDryRun ? { text } : {}) }))
    printJson({ isDryRun, files: listed, ...(decisions === undefined ? {} : { decisions }), notes, next })
    return
  }
  for (const line of notes) note(line)
  if (isDryRun) for (const { path, text } of files) print(`--- ${path}\n${text}`)
  const width = Math.max(...files.map(({ path }) => widthOf(path)))
  for (const { path, about } of files) print(`${padded(path, width)}  ${about}`)
  if (isDryRun) {
    note('nothing was written')
    return
  }
  if (decisions !== undefined && decisions.length > 0) {
    print(
      `\n${decisions.length === 1 ? 'One decision is yours' : `${decisions.length} decisions are yours`}; each is a compile error:`,
    )
    for (const { file, line, text } of decisions) print(`  ${file}:${line}  ${oneLine(text)}`)
  }
  print('\nNext:')
  for (const line of next) print(`  ${line}`)
}

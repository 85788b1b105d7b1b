/** The line of an upgrade's source at which a part of a class upgrade stands, as far as its text tells. */
import type { Blame, SourceLine } from 'theseus-actors/rehearsal'
import type { ExportedClass, SourceModule } from './sourceModules.js'

/** The class upgrade that is meant. */
export interface BlamedClasses {
  readonly oldClass: string
  readonly newClass: string
}

export class SourceLines {
  readonly #names: ReadonlyMap<string, string>

  /** @param shownFrom paths are shown from here */
  constructor(
    private readonly modules: readonly SourceModule[],
    classes: readonly ExportedClass[],
    private readonly shown: (path: string) => string,
  ) {
    this.#names = new Map(classes.map(({ className, exportName }) => [className, exportName]))
  }

  lineOf(blame: Blame, { oldClass, newClass }: BlamedClasses): SourceLine | null {
    const [old, next] = [this.#nameOf(oldClass), this.#nameOf(newClass)]
    const { part, method, how } = blame
    if (part === 'object') return this.#inClass(blame.className, method)
    if (part === 'transform' || part === 'inverse')
      return this.#inCall('upgradeClass', { oldClass: old, newClass: next }, new RegExp(`\\b${part}\\b`))
    const [simulates, over] = part === 'futureSO' ? [next, old] : [old, next]
    if (how === 'notNeeded') return this.#inCall('upgradeClass', { oldClass: old, newClass: next }, new RegExp(`\\b${part}\\b`))
    const named = new RegExp(
      how === 'delegates' ? `['"\`]${method}['"\`]` : `(?:^|[\\s,{])(?:async\\s+)?${method}\\s*(?:\\(|:)`,
      'm',
    )
    return (
      this.#inCall(part, { simulates, over }, named) ??
      this.#inCall('upgradeClass', { oldClass: old, newClass: next }, new RegExp(`\\b${part}\\b`))
    )
  }

  #nameOf(className: string): string {
    return this.#names.get(className) ?? className
  }

  /** Within the call of `name` whose fields are these, the line of `what`; else that of the call. */
  #inCall(name: string, fields: Readonly<Record<string, string>>, what: RegExp): SourceLine | null {
    for (const { path, text } of this.modules)
      for (const match of text.matchAll(new RegExp(`\\b${name}(?:<[^(]*>)?\\s*\\(`, 'g'))) {
        const from = match.index + match[0].length - 1
        const inside = text.slice(from, endOf(text, from))
        const isIt = Object.entries(fields).every(([field, value]) => new RegExp(`\\b${field}\\s*:\\s*${value}\\b`).test(inside))
        if (!isIt) continue
        const found = what.exec(inside)
        const leading = found === null ? 0 : found[0].length - found[0].trimStart().length
        return this.#at(path, text, found === null ? match.index : from + found.index + leading)
      }
    return null
  }

  #inClass(className: string, method: string | null): SourceLine | null {
    for (const { path, text } of this.modules) {
      const match = new RegExp(`\\bclass\\s+${this.#nameOf(className)}\\b`).exec(text)
      if (match === null) continue
      const from = text.indexOf('{', match.index)
      const inside = text.slice(from, endOf(text, from))
      const found = method === null ? null : new RegExp(`\\b${method}\\s*\\(`).exec(inside)
      return this.#at(path, text, found === null ? match.index : from + found.index)
    }
    return null
  }

  #at(path: string, text: string, index: number): SourceLine {
    return { file: this.shown(path), line: text.slice(0, index).split('\n').length }
  }
}

/** Behind the bracket that closes the one at `start`. Those in texts count too: they are rare. */
function endOf(text: string, start: number): number {
  let depth = 0
  for (let at = start; at < text.length; at++) {
    if ('({['.includes(text[at]!)) depth++
    else if (')}]'.includes(text[at]!) && --depth === 0) return at + 1
  }
  return text.length
}

/**
 * The cases of `test/corpus`: a folder for each, by who is to catch it. The first line of `wrong.ts` says of
 * which class of failures it is, and what is found.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export const places = ['compiler', 'build', 'check', 'plan', 'publish', 'gate'] as const
export type Place = (typeof places)[number]

export interface CorpusCase {
  readonly name: string
  readonly place: Place
  /** The class of the study, and its kind. */
  readonly failure: string
  /** Kinds of finding: a seed decides which comes first. Elsewhere a part of the message. */
  readonly finds: readonly string[]
  /** A seed with which a few histories suffice. */
  readonly seed: number
  /** The modules of the upgrades before it. */
  readonly before: readonly string[]
  readonly wrong: string
  readonly right: string
}

export const corpus = 'test/corpus'
const header =
  /^\/\*\* (Data syntax|Data semantics|Upgrade operation|Misconfiguration) \((.+)\)\. Found: (.+?)(?: \(seed (\d+)\))?\. \*\/$/

export function casesOf(place: Place): readonly CorpusCase[] {
  const folder = join(corpus, place)
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .sort()
    .map((name) => caseIn(place, name, join(folder, name)))
}

function caseIn(place: Place, name: string, folder: string): CorpusCase {
  const [wrong, right, before] = ['wrong', 'right', 'before'].map((file) => join(folder, `${file}.ts`)) as [
    string,
    string,
    string,
  ]
  const [first = ''] = readFileSync(wrong, 'utf8').split('\n')
  const [, failure, what, finds, seed = '1'] = header.exec(first) ?? []
  if (failure === undefined) throw new Error(`${wrong}: begin with /** Data syntax (enum). Found: forgotten state. */`)
  return {
    ...{ name, place, failure: `${failure} (${what})`, finds: finds!.split('; '), seed: Number(seed) },
    ...{ before: existsSync(before) ? [before] : [], wrong, right },
  }
}

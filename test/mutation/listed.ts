/**
 * The mutants that no test needs to see, each with its reason (test/mutation/harmless.txt). A file's path
 * stands on a line of its own; below it, indented, a mutant's key as the survivors' list prints it, ` — `,
 * and the reason. `#` begins a comment.
 */
import { existsSync, readFileSync } from 'node:fs'
import type { InstrumentedFile } from './mutant.js'
import type { VerdictStore } from './verdicts.js'

/** Reasons by file and key. */
export type Listed = ReadonlyMap<string, ReadonlyMap<string, string>>

export function readListed(path: string): Listed {
  return existsSync(path) ? parseListed(readFileSync(path, 'utf8')) : new Map()
}

export function parseListed(text: string): Listed {
  const found = new Map<string, Map<string, string>>()
  let ofFile: Map<string, string> | undefined
  for (const [i, line] of text.split('\n').entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue
    if (!line.startsWith(' ')) {
      ofFile = found.get(line.trim()) ?? new Map()
      found.set(line.trim(), ofFile)
      continue
    }
    const dash = line.lastIndexOf(' — ')
    if (dash < 0 || ofFile === undefined) throw new Error(`line ${i + 1}: expected "<mutant> — <reason>" below a file: ${line}`)
    ofFile.set(line.slice(0, dash).trim(), line.slice(dash + 3).trim())
  }
  return found
}

/** The entries of the list that are wrong: the mutant is gone, or a test sees it. */
export function checkListed(file: InstrumentedFile, store: VerdictStore, listed: Listed): readonly string[] {
  const byKey = new Map(file.mutants.map((mutant) => [mutant.key, mutant]))
  return [...(listed.get(file.file)?.keys() ?? [])].flatMap((key) => {
    const mutant = byKey.get(key)
    if (mutant === undefined) return [`listed as harmless, and not there any more: ${file.file} ${key}`]
    const verdict = store.of(file.file, mutant)?.verdict
    return verdict?.type === 'killed' ? [`listed as harmless, and "${verdict.by}" sees it: ${file.file} ${key}`] : []
  })
}

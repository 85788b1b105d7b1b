/** Scores and survivors, as text. */
import type { Listed } from './listed.js'
import type { InstrumentedFile } from './mutant.js'
import type { VerdictStore } from './verdicts.js'

export interface Score {
  readonly file: string
  readonly mutants: number
  readonly killed: number
  readonly survived: number
  readonly unreached: number
  readonly listed: number
  readonly unknown: number
  /** Of all mutants, also of those that are listed. */
  readonly percent: number
}

export function scoreOf(file: InstrumentedFile, store: VerdictStore, listed: Listed): Score {
  const counts = { killed: 0, survived: 0, unreached: 0, listed: 0, unknown: 0 }
  for (const mutant of file.mutants) {
    const type = store.of(file.file, mutant)?.verdict.type ?? 'unknown'
    if (type !== 'killed' && listed.get(file.file)?.has(mutant.key)) counts.listed++
    else counts[type]++
  }
  const mutants = file.mutants.length
  return { file: file.file, mutants, ...counts, percent: mutants === 0 ? 100 : (100 * counts.killed) / mutants }
}

export function scoresText(scores: readonly Score[]): string {
  const columns = ['mutants', 'killed', 'survived', 'unreached', 'listed', 'unknown'] as const
  const sum = (column: (typeof columns)[number]) => scores.reduce((total, score) => total + score[column], 0)
  const total = { file: 'all', ...Object.fromEntries(columns.map((column) => [column, sum(column)])) } as unknown as Score
  const all = { ...total, percent: total.mutants === 0 ? 100 : (100 * total.killed) / total.mutants }
  const width = Math.max(...scores.map(({ file }) => file.length), 3)
  const row = (score: Score) =>
    `${score.file.padEnd(width)} ${score.percent.toFixed(1).padStart(6)} %${columns.map((column) => String(score[column]).padStart(10)).join('')}`
  const head = `${''.padEnd(width)}    score${columns.map((column) => column.padStart(10)).join('')}`
  return `${[head, ...scores.map(row), row(all)].join('\n')}\n`
}

export function survivorsText(files: readonly InstrumentedFile[], store: VerdictStore, listed: Listed, match = ''): string {
  return files
    .map((file) => {
      const lines = file.mutants
        .filter(({ key }) => key.includes(match))
        .flatMap((mutant) => {
          const verdict = store.of(file.file, mutant)?.verdict
          if (verdict === undefined || verdict.type === 'killed' || listed.get(file.file)?.has(mutant.key)) return []
          const mark = verdict.type === 'unreached' ? '∅' : verdict.isCut ? '?' : ' '
          return [`${String(mutant.line).padStart(5)} ${mark} ${mutant.key}`]
        })
      return lines.length === 0 ? '' : `${file.file}\n${lines.join('\n')}\n\n`
    })
    .join('')
}

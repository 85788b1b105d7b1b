/**
 * Checks the comments of a source file: short lines, and each sentence names its subject. Comments behind
 * code are not looked at.
 */
import { freeRelativesIn } from './plainLanguage.js'

export const commentLineLengthMax = 110

/** One line for each breach: the line of the file, the rule, and the text. */
export function commentBreachesOf(source: string): string[] {
  const lines = source.split('\n')
  const comments = commentsOf(lines)
  const long = comments.flatMap(({ from, to }) =>
    lines.slice(from, to).flatMap((text, i) => {
      const isLong = [...text].length > commentLineLengthMax
      return isLong ? [`${from + i + 1}: over ${commentLineLengthMax} characters: ${text.trim()}`] : []
    }),
  )
  const nouns = comments.flatMap(({ from, to }) =>
    freeRelativesIn(lines.slice(from, to).map(proseOf).join('\n')).map(
      ({ line, text }) => `${from + line}: name the thing that this sentence is about: ${text}`,
    ),
  )
  return [...long, ...nouns]
}

/** The lines of a comment, from the first to the one after the last. */
interface Comment {
  readonly from: number
  readonly to: number
}

/** Blocks, and lines with `//` one below the other. Each begins its line. */
function commentsOf(lines: readonly string[]): Comment[] {
  const found: Comment[] = []
  for (let from = 0; from < lines.length; from++) {
    const to = endOfComment(lines, from)
    if (to === from) continue
    found.push({ from, to })
    from = to - 1
  }
  return found
}

function endOfComment(lines: readonly string[], from: number): number {
  let to = from
  if (/^\s*\/\*/.test(lines[from]!)) {
    while (to < lines.length && !lines[to]!.includes('*/')) to++
    return Math.min(to + 1, lines.length)
  }
  while (to < lines.length && /^\s*\/\//.test(lines[to]!)) to++
  return to
}

/** Without the marks of the comment. */
function proseOf(line: string): string {
  return line.replace(/^\s*(?:\/\/|\/\*+|\*(?!\/))? ?/, '').replace(/\s*\*\/.*$/, '')
}

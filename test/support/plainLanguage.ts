/**
 * Checks the rules of plain language that a program can check, on the text of a Markdown page. Code, and
 * titles in italics in a table, are names and not prose: each counts as one word.
 */

export const lineLengthMax = 100
export const sentenceWordsMax = 25

/** One line for each breach: the line of the page, the rule, and the text. */
export function breachesOf(page: string): string[] {
  const found: string[] = []
  for (const { line, text } of longLines(page)) found.push(`${line}: over ${lineLengthMax} characters: ${text}`)
  for (const { line, text } of passagesOf(page)) {
    for (const sentence of sentencesOf(text)) {
      const words = wordsIn(sentence)
      if (words > sentenceWordsMax) found.push(`${line}: ${words} words, over ${sentenceWordsMax}: ${sentence}`)
      if (beginsWithFreeRelative(sentence)) found.push(`${line}: name the thing that this sentence is about: ${sentence}`)
    }
  }
  return found
}

/** The sentences of a page that begin with "What", "Who", "Whoever" or "Whatever" as a noun. */
export function freeRelativesIn(page: string): Passage[] {
  return passagesOf(page).flatMap(({ line, text }) =>
    sentencesOf(text)
      .filter(beginsWithFreeRelative)
      .map((sentence) => ({ line, text: sentence })),
  )
}

export interface Passage {
  readonly line: number
  readonly text: string
}

type Kind = 'code' | 'table' | 'definition' | 'heading' | 'item' | 'text' | 'empty'

/** Each line of the page with its number and its kind. */
function linesOf(page: string): { readonly line: number; readonly text: string; readonly kind: Kind }[] {
  let fenced = false
  return page.split('\n').map((text, index) => {
    const fence = /^\s*```/.test(text)
    const kind = fenced || fence ? 'code' : kindOf(text)
    if (fence) fenced = !fenced
    return { line: index + 1, text, kind }
  })
}

function kindOf(text: string): Kind {
  if (text.trim() === '') return 'empty'
  if (/^\s*\|/.test(text)) return 'table'
  if (/^\s*\[[^\]]+\]:\s/.test(text)) return 'definition'
  if (/^#+\s/.test(text)) return 'heading'
  return /^\s*(?:[-*]|\d+\.)\s/.test(text) ? 'item' : 'text'
}

function longLines(page: string): Passage[] {
  return linesOf(page).filter(
    ({ text, kind }) => !['code', 'table', 'definition'].includes(kind) && [...text].length > lineLengthMax,
  )
}

/**
 * Paragraphs, items of lists and cells of tables: no sentence goes from one into the next. A
 * heading is a title, no sentence.
 */
function passagesOf(page: string): Passage[] {
  const passages: Passage[] = []
  let open: { line: number; text: string } | null = null
  for (const { line, text, kind } of linesOf(page)) {
    if (kind === 'text' && open !== null) open.text += `\n${text}`
    else if (kind === 'text' || kind === 'item') passages.push((open = { line, text }))
    else open = null
    if (kind === 'table') passages.push(...cellsOf(text).map((cell) => ({ line, text: cell })))
  }
  return passages
}

function cellsOf(row: string): string[] {
  return row.split(/(?<!\\)\|/).map((cell) => cell.replaceAll(/\*[^*]+\*/g, 'title'))
}

/** A sentence ends at a mark that white space and the beginning of another sentence follow. */
function sentencesOf(text: string): string[] {
  return plain(text)
    .split(/(?<=[.!?]["”’)]*)\s+(?=["“‘(]*[\p{Lu}\p{N}])/u)
    .map((sentence) => sentence.trim())
    .filter((sentence) => sentence !== '')
}

/** Without the marks of Markdown: a link is its text, code is one word that may begin a sentence. */
function plain(text: string): string {
  return text
    .replace(/^\s*(?:[-*]|\d+\.|>)\s+/, '')
    .replaceAll(/<!--.*?-->/gs, '')
    .replaceAll(/`[^`]+`/g, 'Code')
    .replaceAll(/!?\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replaceAll(/[*_]{1,3}/g, '')
    .replaceAll(/\s+/g, ' ')
    .trim()
}

function wordsIn(sentence: string): number {
  return sentence.split(' ').filter((word) => /[\p{L}\p{N}]/u.test(word)).length
}

/**
 * A sentence such as "What it writes is refused" is about writes, and should say so; "What does
 * it write?" is a question.
 */
function beginsWithFreeRelative(sentence: string): boolean {
  return /^["“‘(]*(?:What|Who|Whom|Whoever|Whatever)\b/.test(sentence) && !/\?["”’)]*$/.test(sentence)
}

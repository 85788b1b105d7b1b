/**
 * Changes of a Lua script that stands in a template: half a condition forgotten, a bound off by one, a
 * command left out. The scripts are short and of one hand, so that words are enough to find the places.
 */

export interface LuaChange {
  readonly original: string
  readonly replacement: string
  /** Where in the template. */
  readonly at: number
  /** The whole template instead. */
  readonly text: string
}

interface Rule {
  readonly pattern: RegExp
  readonly replace: (found: RegExpMatchArray) => readonly string[]
}

const rules: readonly Rule[] = [
  { pattern: /(?<=\bif )(?!not isRead)[^\n]+?(?= then\b)/g, replace: () => ['true', 'false'] },
  { pattern: / and (?=[^\n]*(then|\n|$))/g, replace: () => [' or '] },
  { pattern: / or (?=[^\n]*then)/g, replace: () => [' and '] },
  { pattern: / (==|~=) /g, replace: ([, operator]) => [operator === '==' ? ' ~= ' : ' == '] },
  { pattern: / (<=|>=|<|>) /g, replace: ([, operator]) => [operator!.length === 2 ? ` ${operator![0]} ` : ` ${operator}= `] },
  { pattern: / ([+-]) (?=[\w(])/g, replace: ([, operator]) => [operator === '+' ? ' - ' : ' + '] },
  {
    pattern: /\bmath\.(max|min|floor)\b/g,
    replace: ([, name]) => [`math.${name === 'max' ? 'min' : name === 'min' ? 'max' : 'ceil'}`],
  },
  { pattern: /(?<=return )([01])\b/g, replace: ([digit]) => [digit === '0' ? '1' : '0'] },
  { pattern: /(?<=return \{ )([012])\b/g, replace: ([digit]) => [digit === '1' ? '0' : '1'] },
  // A command, or a call of a function, as a statement of its own.
  { pattern: /(?<=^ *|then )(redis\.call\((?!'TIME')[^\n]*\)|(?:sweep|renew)\([^\n]*\))(?= end$|$)/gm, replace: () => [''] },
]

export function luaChanges(template: string): readonly LuaChange[] {
  return rules
    .flatMap(({ pattern, replace }) =>
      [...template.matchAll(pattern)].flatMap((found) =>
        replace(found).map((replacement) => ({
          original: lineAround(template, found.index),
          replacement: lineAround(
            template.slice(0, found.index) + replacement + template.slice(found.index + found[0].length),
            found.index,
          ),
          at: found.index,
          text: template.slice(0, found.index) + replacement + template.slice(found.index + found[0].length),
        })),
      ),
    )
    .filter(({ at }) => !isComment(template, at))
    .sort((a, b) => a.at - b.at)
}

function lineAround(text: string, at: number): string {
  const start = text.lastIndexOf('\n', at - 1) + 1
  const end = text.indexOf('\n', at)
  return text.slice(start, end < 0 ? undefined : end).trim()
}

function isComment(text: string, at: number): boolean {
  return lineAround(text, at).startsWith('--')
}

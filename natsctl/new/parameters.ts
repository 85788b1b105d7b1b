/** The names of a function's parameters, from its source: what a person will read. */

/** As many as a call must have; a parameter that is no plain name gets one by its place. */
export function parametersOf(method: (...args: never[]) => unknown): readonly string[] {
  const source = String(method)
  const inside = enclosed(source, source.indexOf('('))
  return split(inside)
    .slice(0, method.length)
    .map((parameter, i) => (/^[A-Za-z_$][\w$]*$/.test(parameter) ? parameter : `arg${i + 1}`))
}

const closing: Readonly<Record<string, string>> = { '(': ')', '[': ']', '{': '}' }

/** The text between the bracket at `start` and the one that closes it. */
function enclosed(source: string, start: number): string {
  let depth = 0
  for (let at = start; at < source.length; at++) {
    if (source[at]! in closing) depth++
    else if (Object.values(closing).includes(source[at]!) && --depth === 0) return source.slice(start + 1, at)
  }
  return ''
}

/** At the commas that are in no bracket. */
function split(list: string): readonly string[] {
  const parts: string[] = ['']
  let depth = 0
  for (const character of list) {
    if (character in closing) depth++
    else if (Object.values(closing).includes(character)) depth--
    if (character === ',' && depth === 0) parts.push('')
    else parts[parts.length - 1] += character
  }
  return parts.map((part) => part.trim()).filter((part) => part !== '')
}

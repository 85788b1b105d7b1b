/**
 * The keys that a terminal in raw mode tells of. Pasted text is no key: nobody pauses a rollout
 * by pasting a letter.
 */

export type Key =
  | 'up'
  | 'down'
  | 'pageUp'
  | 'pageDown'
  | 'home'
  | 'end'
  | 'enter'
  | 'escape'
  | 'backspace'
  | 'ctrl-c'
  | 'ctrl-l'
  | 'ctrl-u'
  | 'ctrl-z'
  | { readonly text: string }

const sequences: Readonly<Record<string, Key>> = {
  '[A': 'up',
  OA: 'up',
  '[B': 'down',
  OB: 'down',
  '[5~': 'pageUp',
  '[6~': 'pageDown',
  '[H': 'home',
  OH: 'home',
  '[1~': 'home',
  '[7~': 'home',
  '[F': 'end',
  OF: 'end',
  '[4~': 'end',
  '[8~': 'end',
}

const controls: Readonly<Record<string, Key>> = {
  '\r': 'enter',
  '\n': 'enter',
  '\u0003': 'ctrl-c',
  '\u0008': 'backspace',
  '\u000c': 'ctrl-l',
  '\u0015': 'ctrl-u',
  '\u001a': 'ctrl-z',
  '\u007f': 'backspace',
}

const control = /^\p{Cc}$/u
const esc = '\u001b'
const bel = '\u0007'

/**
 * Sequences after their escapes, of which Alt adds one. Letters are orders here, so no part of
 * a sequence may be taken for one, known or not. A control sequence and a function key end
 * where a control character comes in between.
 */
const sequenceForms = [
  // F1 to F5 of the Linux console.
  String.raw`\[\[[@-~]`,
  // A click, from an old terminal.
  String.raw`\[M[^]{3}`,
  String.raw`\[(?!\[|M)[ -?]*(?:[@-~]|(?=[^ -~]))`,
  'O[ -?]*(?:[@-~]|(?=[^ -~]))',
  // Answers and reports of a terminal.
  String.raw`[\]PX^_]\P{Cc}*(?:${bel}|${esc}\\|(?=${esc}[^\\])|(?!${esc})(?=\p{Cc}))`,
  // Any other character with Alt.
  String.raw`[^[O\]PX^_]`,
]
const whole = new RegExp(`^(?:${sequenceForms.join('|')})`, 'u')
/** With Shift, Alt or Ctrl it is the same key: `[1;3A` is `[A`, `O5A` is `OA`, `[5;2~` is `[5~`. */
const modifier = /^(\[)1;\d+(?=[A-Z])|^(O)\d+(?=[A-Z])|^(\[\d+);\d+(?=~)/
const pasteBegins = '[200~'
const pasteEnds = `${esc}[201~`
/** No key is longer, and no answer that a terminal gives unasked. */
const sequenceLengthMax = 1_024

export class KeyReader {
  #rest = ''
  #isPasting = false

  /** A sequence whose end has not come yet waits; a lone escape, until `flush`. */
  read(chunk: string): readonly Key[] {
    const keys: Key[] = []
    let text = this.#rest + chunk
    this.#rest = ''
    while (text !== '') {
      if (this.#isPasting) {
        const end = text.indexOf(pasteEnds)
        if (end < 0) {
          this.#rest = text.slice(-(pasteEnds.length - 1))
          break
        }
        this.#isPasting = false
        text = text.slice(end + pasteEnds.length)
      } else if (text.startsWith(esc)) {
        const begin = escapesOf(text)
        const found = whole.exec(text.slice(begin))
        if (found === null) {
          if (text.length <= sequenceLengthMax) this.#rest = text
          break
        }
        const [sequence] = found
        this.#isPasting = sequence === pasteBegins
        const key = sequences[sequence.replace(modifier, '$1$2$3')]
        if (key !== undefined) keys.push(key)
        text = text.slice(begin + sequence.length)
      } else {
        const [character = ''] = text
        const key = controls[character]
        if (key !== undefined) keys.push(key)
        else if (!control.test(character)) keys.push({ text: character })
        text = text.slice(character.length)
      }
    }
    return keys
  }

  /**
   * The input that waits for its end: the key Escape perhaps, or what can only be the beginning
   * of something else.
   */
  get waits(): 'escape' | 'sequence' | undefined {
    if (this.#rest === '' || this.#isPasting) return undefined
    return escapesOf(this.#rest) === this.#rest.length ? 'escape' : 'sequence'
  }

  /** Nothing more has come: an escape was the key itself. */
  flush(): readonly Key[] {
    const { waits } = this
    if (waits === undefined) return []
    this.#rest = ''
    return waits === 'escape' ? ['escape'] : []
  }
}

/** How many it begins with. */
function escapesOf(text: string): number {
  let count = 0
  while (text[count] === esc) count++
  return count
}

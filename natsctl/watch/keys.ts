/** What keys send, as a terminal in raw mode tells it. Pasted text is no key: nobody pauses a rollout by pasting a letter. */

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

const esc = '\u001b'
/** A whole sequence after its escape: control sequences, function keys, and any other character with Alt. */
const whole = /^(?:\[[\u0020-\u003f]*[\u0040-\u007e]|O[\u0040-\u007e]|[^[O])/u
const unfinished = /^(?:\[[\u0020-\u003f]*|O)?$/u
const pasteBegins = '[200~'
const pasteEnds = `${esc}[201~`

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
        const after = text.slice(1)
        if (unfinished.test(after)) {
          this.#rest = text
          break
        }
        const [sequence = ''] = whole.exec(after) ?? []
        this.#isPasting = sequence === pasteBegins
        const key = sequences[sequence]
        if (key !== undefined) keys.push(key)
        text = after.slice(Math.max(1, sequence.length))
      } else {
        const [character = ''] = text
        const key = controls[character]
        if (key !== undefined) keys.push(key)
        else if (character >= ' ') keys.push({ text: character })
        text = text.slice(character.length)
      }
    }
    return keys
  }

  /** Whether something waits that may be a whole key. */
  get isWaiting(): boolean {
    return this.#rest !== '' && !this.#isPasting
  }

  /** Nothing more has come: an escape was the key itself. */
  flush(): readonly Key[] {
    if (!this.isWaiting) return []
    const isEscape = this.#rest === esc
    this.#rest = ''
    return isEscape ? ['escape'] : []
  }
}

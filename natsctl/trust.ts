/**
 * Whom a command believes: the upgraders who are trusted at version 0, as hosts and upgrade servers have them. `nobody` has to be written: a
 * system whose upgrades need no signature is none by default.
 */
import { InvalidArgumentError } from 'commander'
import { isUpgraderKey } from 'theseus/nkeys'

export type Trust = readonly string[] | 'nobody'

export const trustFlagText = 'the upgraders who are trusted at version 0, or "nobody" where upgrades need no signature'

/** Public keys, or `nobody`; undefined for anything else. Of several texts in one, commas or spaces are between them. */
export function trustIn(texts: readonly string[]): Trust | undefined {
  const words = texts.flatMap((text) => text.split(/[\s,]+/)).filter((word) => word !== '')
  if (words.length === 1 && words[0] === 'nobody') return 'nobody'
  const keys = [...new Set(words)]
  return keys.length > 0 && keys.every(isUpgraderKey) ? keys : undefined
}

/** The value of `--trust`. */
export function trustFlag(text: string): Trust {
  const trust = trustIn([text])
  // The text itself is not repeated: somebody may have taken the seed for the key.
  if (trust === undefined)
    throw new InvalidArgumentError('Use public keys of upgraders, as "natsctl key new" prints them, or "nobody".')
  return trust
}

export function trustText(trust: Trust): string {
  return trust === 'nobody' ? trust : trust.join(',')
}

/**
 * The words of a command line, with all values of `--trust` as one: `--trust A… B… file` names two keys and a file. Keys can be told from
 * everything else, so none has to be closed with another flag.
 */
export function withOneTrust(words: readonly string[]): readonly string[] {
  const rest: string[] = []
  const values: string[] = []
  let at = 0
  for (; at < words.length && words[at] !== '--'; at++) {
    const word = words[at]!
    const [, given] = /^--trust=(.*)$/s.exec(word) ?? []
    if (given !== undefined) values.push(given)
    else if (word !== '--trust' || at + 1 === words.length) rest.push(word)
    else {
      values.push(words[++at]!)
      while (isUpgraderKey(words[at + 1] ?? '')) values.push(words[++at]!)
    }
  }
  const trust = values.length === 0 ? [] : [`--trust=${values.join(',')}`]
  return [...trust, ...rest, ...words.slice(at)]
}

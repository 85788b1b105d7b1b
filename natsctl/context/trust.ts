/**
 * The trust of a command: the upgraders who are trusted at version 0, as hosts and upgrade servers have them.
 * `nobody` has to be written: a system whose upgrades need no signature is none by default.
 */
import { readFileSync } from 'node:fs'
import { InvalidArgumentError } from 'commander'
import { isFault, type Trust as SomebodyTrusted } from 'theseus-actors'
import { isUpgraderKey, trustIn as trustOf } from 'theseus-actors/nkeys'
import { isTrustRoot } from 'theseus-actors/operator'

export type Trust = SomebodyTrusted | 'nobody'

/** More is no trust root. */
const rootBytesMax = 64 * 1024

/**
 * Public keys, or `nobody`; undefined for anything else. Of several texts in one, commas or
 * spaces are between them.
 */
export function trustIn(texts: readonly string[]): readonly string[] | 'nobody' | undefined {
  const words = texts.flatMap((text) => text.split(/[\s,]+/)).filter((word) => word !== '')
  if (words.length === 1 && words[0] === 'nobody') return 'nobody'
  const keys = [...new Set(words)]
  return keys.length > 0 && keys.every(isUpgraderKey) ? keys : undefined
}

/** The same, and a trust root: its JSON, or the file that has it. Throws why it is none, in one line. */
export function trustFrom(text: string): Trust | undefined {
  const keys = trustIn([text])
  if (keys !== undefined) return keys
  const json = text.trimStart().startsWith('{') ? text : readRoot(text)
  return json === undefined ? undefined : rootIn(json, json === text ? 'the trust root' : text)
}

/** The text of a file; undefined where there is none. */
function readRoot(path: string): string | undefined {
  try {
    const bytes = readFileSync(path)
    return bytes.length > rootBytesMax ? '' : bytes.toString('utf8')
  } catch {
    return undefined
  }
}

export function rootIn(json: string, where: string): Trust {
  let value: unknown
  try {
    value = JSON.parse(json)
  } catch {
    // Not what the parser says: it quotes, and somebody may have taken the seed's file for it.
    throw new Error(`${where} is no trust root: it is not JSON`)
  }
  try {
    return trustOf(value)
  } catch (error) {
    throw new Error(`${where}: ${isFault(error) ? error.message : String(error)}`)
  }
}

/** The value of `--trust`. */
export function trustFlag(text: string): Trust {
  let trust: Trust | undefined
  try {
    trust = trustFrom(text)
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message)
  }
  // The text itself is not repeated: somebody may have taken the seed for the key.
  if (trust === undefined)
    throw new InvalidArgumentError(
      'Use public keys of upgraders, as "natsctl key new" prints them, the file of a trust root, or "nobody".',
    )
  return trust
}

/** As `--trust` and THESEUS_TRUST take it. */
export function trustText(trust: Trust): string {
  return trust === 'nobody' ? trust : isTrustRoot(trust) ? JSON.stringify(trust) : trust.join(',')
}

/** For people. */
export function describeTrust(trust: Trust): string {
  if (trust === 'nobody' || !isTrustRoot(trust)) return trustText(trust)
  return `the root of system ${trust.system}, identity ${trust.identity}`
}

/** As `createHost` and `verifyHistory` take it. */
export function trustedBy(trust: Trust | undefined): SomebodyTrusted | undefined {
  return trust === 'nobody' ? undefined : trust
}

/**
 * The words of a command line, with all values of `--trust` as one: `--trust A… B… file` names two keys and a
 * file. Keys can be told from everything else, so none has to be closed with another flag.
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

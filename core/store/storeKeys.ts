/**
 * The keys and values that every state store refuses before anything is written, so that a node which runs on
 * the memory store runs on the real one.
 */
import { Fault } from '../base/fault.js'
import { isWellFormed } from '../base/text.js'
import { storeKeyBytesMax, type Write } from '../ports/stateStore.js'

/**
 * Whether a store can hold this key. A lone surrogate has no UTF-8 form: two different keys would meet in
 * one, and the order of UTF-16 units is not theirs.
 */
export function canBeKey(key: string): boolean {
  return key.length > 0 && isWellFormed(key) && (key.length * 3 <= storeKeyBytesMax || Buffer.byteLength(key) <= storeKeyBytesMax)
}

/** Throws `protocol.bad-arguments` for the first write that a store can't take. */
export function checkWrites(writes: readonly Write[]): void {
  for (let i = 0; i < writes.length; i++) {
    const [key, value] = writes[i]!
    if (!canBeKey(key)) throw refused(`key ${shown(key)}: use 1 to ${storeKeyBytesMax} bytes of well-formed text`)
    if (value !== null && !(value instanceof Uint8Array)) throw refused(`the value of ${shown(key)} is not bytes`)
  }
}

/**
 * Bounds of a range may be empty and longer than any key, but they must be text: anything else
 * has no place in the order.
 */
export function checkBounds(from: string, to: string): void {
  if (!isWellFormed(from) || !isWellFormed(to)) throw refused(`range from ${shown(from)} to ${shown(to)}: use well-formed text`)
}

export function closedFault(): Fault {
  return new Fault('unavailable.storage', 'the state store is closed')
}

const shownMax = 80

function shown(key: string): string {
  return key.length <= shownMax
    ? JSON.stringify(key)
    : `${JSON.stringify(key.slice(0, shownMax))}… (${Buffer.byteLength(key)} bytes)`
}

function refused(message: string): Fault {
  return new Fault('protocol.bad-arguments', message)
}

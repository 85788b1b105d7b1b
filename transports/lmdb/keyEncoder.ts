/**
 * Keys as plain UTF-8. lmdb's own key encoding is not that: it escapes the characters U+0000 to
 * U+0004 in keys of up to 63 characters and not in longer ones, so that their order, and what
 * is read back, depends on a key's length.
 */

import { unitAt } from '../../core/base/text.js'
import { storeKeyBytesMax } from '../../core/ports/stateStore.js'

/**
 * A longer key is cut here. Only bounds of ranges are, since stores refuse such keys, and
 * cutting leaves a bound where it was: a whole character ends at most 3 bytes earlier, and no
 * key is longer than `storeKeyBytesMax`.
 */
const encodedBytesMax = storeKeyBytesMax + 4

/** A call into C++ costs more than so many characters written from here. */
const shortMax = 64

export const keyEncoder = {
  /** Returns the position after the key. */
  writeKey(key: string, target: Buffer, position: number): number {
    const { length } = key
    if (length > shortMax) return position + target.write(key, position, encodedBytesMax)
    for (let i = 0; i < length; i++) {
      const unit = unitAt(key, i)
      if (unit >= 0x80) return position + target.write(key, position, encodedBytesMax)
      target[position + i] = unit
    }
    return position + length
  },
  readKey(source: Buffer, start: number, end: number): string {
    return source.toString('utf8', start, end)
  },
}

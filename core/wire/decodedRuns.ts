/**
 * Runs of fields that many envelopes have in common (who calls, who answers, which method), by their bytes:
 * they are decoded and checked once and compared afterwards. A reader that meets the same bytes gets the same
 * value, so that strings and records can be compared by identity.
 *
 * Fields delimit themselves: bytes that begin with those of a known run begin with its fields.
 */
/** Runs that one table keeps; a new one takes the place of another. */
const runsKept = 1024
/** Longer ones are not kept. */
const runBytesMax = 256

/** Where a message is being read. */
interface Reading {
  readonly bytes: Uint8Array
  at: number
}

interface Run<T> {
  readonly bytes: Uint8Array
  readonly value: T
}

export class DecodedRuns<T, Reader extends Reading> {
  readonly #runs: (Run<T> | undefined)[] = new Array(runsKept).fill(undefined)

  /** @param decode reads the run and throws if it is not as it must be; then nothing is kept */
  constructor(private readonly decode: (reader: Reader) => T) {}

  /** Reads the run that begins here. Its first field should be text. */
  read(reader: Reader): T {
    const { bytes, at: start } = reader
    const place = placeOf(bytes, start)
    const known = this.#runs[place]
    if (known !== undefined && isAt(known.bytes, bytes, start)) {
      reader.at = start + known.bytes.length
      return known.value
    }
    const value = this.decode(reader)
    const length = reader.at - start
    if (length <= runBytesMax) this.#runs[place] = { bytes: new Uint8Array(bytes.subarray(start, reader.at)), value }
    return value
  }
}

/**
 * By the length, the first and the last characters of short text: names of one kind, and keys of one record,
 * often differ in these alone.
 */
function placeOf(bytes: Uint8Array, at: number): number {
  const header = bytes[at] ?? 0
  const last = at + (header & 0x1f)
  return (header + (bytes[at + 1] ?? 0) * 31 + (bytes[last] ?? 0) * 7 + (bytes[last - 1] ?? 0) * 61) & (runsKept - 1)
}

/** Past the end of `bytes` nothing is equal. */
function isAt(run: Uint8Array, bytes: Uint8Array, start: number): boolean {
  for (let i = 0; i < run.length; i++) if (bytes[start + i] !== run[i]) return false
  return true
}

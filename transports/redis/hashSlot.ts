/** The slot of a Redis Cluster that has all keys of a system. */

/** Slots of every Redis Cluster. */
const slotsOfCluster = 16_384
const polynomial = 0x1021

/** Of keys with the hash tag `{tag}`: CRC-16 (XMODEM) of the tag, as the specification has it. */
export function hashSlot(tag: string): number {
  let crc = 0
  for (const byte of new TextEncoder().encode(tag)) {
    crc ^= byte << 8
    for (let bit = 0; bit < 8; bit++) crc = ((crc << 1) ^ ((crc & 0x8000) === 0 ? 0 : polynomial)) & 0xffff
  }
  return crc % slotsOfCluster
}

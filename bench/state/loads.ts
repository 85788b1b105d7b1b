export const system = 'state'
export const durabilities = ['none', 'process', 'disk'] as const
export type Durability = (typeof durabilities)[number]

const nodesPerHost = 16

export function nodesOf(durability: Durability): readonly string[] {
  return Array.from({ length: nodesPerHost }, (_, i) => `${durability}-${i}`)
}

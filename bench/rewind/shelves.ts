/** The classes of the rewind bench: two services with the same code, of which one records. */
import { command, defineUpgrade, eagerly, NodeObject, notNeeded, query, type Upgrade, upgradeClass } from 'theseus-actors'

export class PlainV1 extends NodeObject<{ puts: number }, { values: string }> {
  static override readonly className: string = 'Plain.v1'
  static override readonly service: string = 'Plain'
  static override initial() {
    return { puts: 0 }
  }

  @command put(key: string, value: string): number {
    this.collection('values').put(key, value)
    return ++this.state.puts
  }

  @query get(key: string): string | null {
    return this.collection('values').get(key) ?? null
  }
}

export class PlainV2 extends PlainV1 {
  static override readonly className: string = 'Plain.v2'
}

export class RecordedV1 extends PlainV1 {
  static override readonly className: string = 'Recorded.v1'
  static override readonly service: string = 'Recorded'
}

export class RecordedV2 extends RecordedV1 {
  static override readonly className: string = 'Recorded.v2'
}

type Carry = { readonly carry: (name: 'values') => Promise<unknown> }

async function kept<S>(state: S, _: unknown, { carry }: Carry): Promise<S> {
  await carry('values')
  return state
}

/** @param forDuration how long the one service can be rewound */
export function shelves(forDuration: '24h'): Upgrade {
  const parts = {
    futureSO: notNeeded,
    pastSO: notNeeded,
    transform: kept,
    inverse: { transform: kept },
    schedule: eagerly(),
  } as const
  return defineUpgrade({
    title: 'Shelves',
    gate: 'open',
    classUpgrades: [
      upgradeClass({ ...parts, oldClass: PlainV1, newClass: PlainV2 }),
      upgradeClass({
        ...parts,
        ...{ oldClass: RecordedV1, newClass: RecordedV2 },
        rewind: { for: forDuration, operations: 10_000_000, bytes: 4 * 2 ** 30 },
      }),
    ],
  })
}

import { command, type NodeClass, NodeObject, query } from 'theseus-actors'
import { StationV1, StationV2 } from './station.js'

export const stations = ['s1', 's2', 's3'] as const
const lookEveryMs = 20

export interface Log {
  readonly looks: number
  readonly text: string
}

/**
 * A client: it calls the stations, and nobody needs to call it. It is a node all the same, with
 * a class and a version.
 */
export class PilotV1 extends NodeObject<{ log: Log }> {
  static override readonly className: string = 'Pilot.v1'
  static override readonly calls: readonly NodeClass[] = [StationV1]
  static override initial() {
    return { log: { looks: 0, text: '' } }
  }

  protected override start(): void {
    this.after(0, 'look')
  }

  @command async look(): Promise<void> {
    this.after(lookEveryMs, 'look')
    const read: string[] = []
    for (const station of stations) read.push(`${station} ${await this.ref(StationV1, station).forecast()}`)
    this.state.log = { looks: this.state.log.looks + 1, text: read.join(', ') }
  }

  @query log(): Log {
    return this.state.log
  }
}

/** The same to its callers; it calls the new method. */
export class PilotV2 extends PilotV1 {
  static override readonly className: string = 'Pilot.v2'
  static override readonly calls: readonly NodeClass[] = [StationV2]

  @command override async look(): Promise<void> {
    this.after(lookEveryMs, 'look')
    const read: string[] = []
    for (const id of stations) {
      const station = this.ref(StationV2, id)
      read.push(`${id} ${await station.forecast('today')} then ${await station.forecast('tomorrow')}`)
    }
    this.state.log = { looks: this.state.log.looks + 1, text: read.join(', ') }
  }
}

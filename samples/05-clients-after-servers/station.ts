import { command, NodeObject, query } from 'theseus-actors'

/** Announces the weather of a harbour. */
export class StationV1 extends NodeObject<{ weather: string }> {
  static override readonly className = 'Station.v1'
  static override initial() {
    return { weather: 'calm' }
  }

  @command announce(weather: string): void {
    this.state.weather = weather
  }

  @query forecast(): string {
    return this.state.weather
  }
}

export type Day = 'today' | 'tomorrow'

/** Knows tomorrow's weather as well. Both methods take the day, so no caller of version 0 fits any more. */
export class StationV2 extends NodeObject<Record<Day, string>> {
  static override readonly className = 'Station.v2'
  static override initial() {
    return { today: 'calm', tomorrow: 'unknown' }
  }

  @command announce(day: Day, weather: string): void {
    this.state[day] = weather
  }

  @query forecast(day: Day): string {
    return this.state[day]
  }
}

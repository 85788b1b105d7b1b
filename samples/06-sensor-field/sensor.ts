import { command, NodeObject, query } from 'theseus-actors'

/** The precision of a sensor: a reading is the same in degrees Celsius and in kelvin, to and fro. */
export function hundredths(degrees: number): number {
  return Math.round(degrees * 100) / 100
}

export class SensorV1 extends NodeObject<{ celsius: number }> {
  static override readonly className = 'Sensor.v1'
  static override initial() {
    return { celsius: 20 }
  }

  @command measured(celsius: number): void {
    this.state.celsius = hundredths(celsius)
  }

  @query celsius(): number {
    return this.state.celsius
  }
}

/** Measures in kelvin, and still answers in degrees Celsius. */
export class SensorV2 extends NodeObject<{ kelvin: number }> {
  static override readonly className = 'Sensor.v2'
  static override initial() {
    return { kelvin: 293.15 }
  }

  @command measured(celsius: number): void {
    this.state.kelvin = hundredths(celsius) + 273.15
  }

  @query celsius(): number {
    return hundredths(this.state.kelvin - 273.15)
  }

  @query kelvin(): number {
    return this.state.kelvin
  }
}

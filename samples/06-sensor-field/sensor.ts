import { command, NodeObject, query } from 'theseus'

export class SensorV1 extends NodeObject<{ celsius: number }> {
  static override readonly className = 'Sensor.v1'
  static override initial() {
    return { celsius: 20 }
  }

  @command measured(celsius: number): void {
    this.state.celsius = celsius
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
    this.state.kelvin = celsius + 273.15
  }

  @query celsius(): number {
    return Math.round((this.state.kelvin - 273.15) * 100) / 100
  }

  @query kelvin(): number {
    return this.state.kelvin
  }
}

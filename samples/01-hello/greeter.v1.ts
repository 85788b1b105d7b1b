import { command, NodeObject, query } from 'theseus-actors'

export class GreeterV1 extends NodeObject<{ visits: number }> {
  static override readonly className = 'Greeter.v1'
  static override initial() {
    return { visits: 0 }
  }

  /** Memory: it dies with the object. Data that shall outlive it belongs in `this.state`. */
  #today = 0

  @command greet(name: string): string {
    this.#today++
    this.state.visits++
    return `Welcome, ${name}! You are visitor number ${this.state.visits}.`
  }

  @query visits(): { ever: number; today: number } {
    return { ever: this.state.visits, today: this.#today }
  }
}

import { command, NodeObject, query } from 'theseus-actors'

export class HotelV1 extends NodeObject<{ grades: number[] }> {
  static override readonly className = 'Hotel.v1'
  static override initial() {
    return { grades: [] as number[] }
  }
  @command grade(points: number): void {
    this.state.grades.push(points)
  }
  @query grades(): number[] {
    return this.state.grades
  }
}

/** Guests write texts now, and give no grades. */
export class HotelV2 extends NodeObject<{ reviews: string[] }> {
  static override readonly className = 'Hotel.v2'
  static override initial() {
    return { reviews: [] as string[] }
  }
  @command review(text: string): void {
    this.state.reviews.push(text)
  }
  @query reviews(): string[] {
    return this.state.reviews
  }
}

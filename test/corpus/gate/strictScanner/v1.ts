import { command, NodeObject } from 'theseus-actors'

export class ScannerV1 extends NodeObject<{ last: string }> {
  static override readonly className = 'Scanner.v1'
  static override initial() {
    return { last: '' }
  }
  @command scan(code: string): void {
    this.state.last = code
  }
}

/** Codes as the shops scan them. */
export const traffic = Array.from({ length: 60 }, (_, i) => ['scan', i % 4 === 0 ? `LOCAL-${i}` : '4006381333931'] as const)
export const FirstClass = ScannerV1

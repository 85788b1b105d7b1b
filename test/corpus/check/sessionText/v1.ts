import { command, NodeObject, query } from 'theseus-actors'

/** The session is kept as JSON. */
export class SessionV1 extends NodeObject<{ json: string }> {
  static override readonly className = 'Session.v1'
  static override initial() {
    return { json: '{}' }
  }
  @command set(key: string, value: string): void {
    this.state.json = JSON.stringify({ ...JSON.parse(this.state.json), [key]: value })
  }
  @query get(key: string): string | null {
    return JSON.parse(this.state.json)[key] ?? null
  }
}

/** Beside the values there is a header. */
export class SessionV2 extends NodeObject<{ json: string }> {
  static override readonly className = 'Session.v2'
  static override initial() {
    return { json: '{"format":2,"values":{}}' }
  }
  @command set(key: string, value: string): void {
    const { format, values } = JSON.parse(this.state.json)
    this.state.json = JSON.stringify({ format, values: { ...values, [key]: value } })
  }
  @query get(key: string): string | null {
    return JSON.parse(this.state.json).values[key] ?? null
  }
}

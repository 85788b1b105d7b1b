import { command, NodeObject, query } from 'theseus-actors'

export class LoginsV1 extends NodeObject<object, { users: { mail: string } }> {
  static override readonly className = 'Logins.v1'

  @command register(name: string, mail: string): boolean {
    if (this.collection('users').has(name)) return false
    this.collection('users').put(name, { mail })
    return true
  }
  @query mailOf(name: string): string | null {
    return this.collection('users').get(name)?.mail ?? null
  }
}

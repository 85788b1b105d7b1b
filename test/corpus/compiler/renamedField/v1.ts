import { command, NodeObject, query } from 'theseus-actors'

export class CustomerV1 extends NodeObject<{ mail: string; name: string }> {
  static override readonly className = 'Customer.v1'
  static override initial() {
    return { mail: '', name: '' }
  }
  @command write(mail: string): void {
    this.state.mail = mail
  }
  @query address(): string {
    return this.state.mail
  }
}

export class CustomerV2 extends NodeObject<{ email: string; name: string }> {
  static override readonly className = 'Customer.v2'
  static override initial() {
    return { email: '', name: '' }
  }
  @command write(mail: string): void {
    this.state.email = mail
  }
  @query address(): string {
    return this.state.email
  }
}

import { command, NodeObject, query } from 'theseus-actors'

export class ContactV1 extends NodeObject<{ phone: string; fax: string }> {
  static override readonly className = 'Contact.v1'
  static override initial() {
    return { phone: '', fax: '' }
  }
  @command setPhone(phone: string): void {
    this.state.phone = phone
  }
  @command setFax(fax: string): void {
    this.state.fax = fax
  }
  @query phone(): string {
    return this.state.phone
  }
  @query fax(): string {
    return this.state.fax
  }
}

/** Nobody sends faxes any more. */
export class ContactV2 extends NodeObject<{ phone: string }> {
  static override readonly className = 'Contact.v2'
  static override initial() {
    return { phone: '' }
  }
  @command setPhone(phone: string): void {
    this.state.phone = phone
  }
  @query phone(): string {
    return this.state.phone
  }
}

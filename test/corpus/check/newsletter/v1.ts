import { command, futureSO, NodeObject, notNeeded, query } from 'theseus-actors'

export class NewsletterV1 extends NodeObject<{ readers: string[] }> {
  static override readonly className = 'Newsletter.v1'
  static override initial() {
    return { readers: [] as string[] }
  }
  @command subscribe(mail: string): void {
    this.state.readers.push(mail)
  }
  @query readers(): number {
    return this.state.readers.length
  }
}

export class NewsletterV2 extends NodeObject<{ readers: string[]; bounced: string[] }> {
  static override readonly className = 'Newsletter.v2'
  static override initial() {
    return { readers: [] as string[], bounced: [] as string[] }
  }
  @command subscribe(mail: string): void {
    this.state.readers.push(mail)
  }
  @command bounce(mail: string): void {
    this.state.bounced.push(mail)
  }
  @query readers(): number {
    return this.state.readers.length
  }
  @query bounced(): string[] {
    return this.state.bounced
  }
}

export const parts = {
  oldClass: NewsletterV1,
  newClass: NewsletterV2,
  futureSO: futureSO({
    simulates: NewsletterV2,
    over: NewsletterV1,
    delegates: ['subscribe', 'readers'],
    refuses: ['bounce', 'bounced'],
    methods: {},
  }),
  pastSO: notNeeded,
} as const

import { command, futureSO, NodeObject, notNeeded, query } from 'theseus-actors'

/** The language came later: messages of before have none. */
export class MessagesV1 extends NodeObject<object, { messages: { text: string; language?: string } }> {
  static override readonly className = 'Messages.v1'

  @command post(id: string, text: string, language?: string): void {
    this.collection('messages').put(id, language === undefined ? { text } : { text, language })
  }
  @query text(id: string): string | null {
    return this.collection('messages').get(id)?.text ?? null
  }
}

export class MessagesV2 extends NodeObject<object, { messages: { text: string; language: string } }> {
  static override readonly className = 'Messages.v2'

  @command post(id: string, text: string, language?: string): void {
    this.collection('messages').put(id, { text, language: language?.toLowerCase() ?? 'en' })
  }
  @query text(id: string): string | null {
    return this.collection('messages').get(id)?.text ?? null
  }
  @query language(id: string): string | null {
    return this.collection('messages').get(id)?.language ?? null
  }
}

export const parts = {
  oldClass: MessagesV1,
  newClass: MessagesV2,
  futureSO: futureSO({
    simulates: MessagesV2,
    over: MessagesV1,
    delegates: ['post', 'text'],
    refuses: ['language'],
    methods: {},
  }),
  pastSO: notNeeded,
  transform: () => ({}),
} as const

import { command, futureSO, NodeObject, notNeeded, query } from 'theseus-actors'

export class NotesV1 extends NodeObject<object, { notes: string }> {
  static override readonly className = 'Notes.v1'

  @command write(id: string, text: string): void {
    this.collection('notes').put(id, text)
  }
  @query read(id: string): string | null {
    return this.collection('notes').get(id) ?? null
  }
}

type Note = { text: string; isPinned: boolean }

/** Notes of version 0 stay as they are until they are written again. */
export class NotesV2 extends NodeObject<object, { notes: string | Note }> {
  static override readonly className = 'Notes.v2'

  @command write(id: string, text: string): void {
    this.collection('notes').put(id, { text, isPinned: false })
  }
  @command pin(id: string): void {
    this.collection('notes').put(id, { text: this.read(id) ?? '', isPinned: true })
  }
  @query read(id: string): string | null {
    const note = this.collection('notes').get(id)
    return typeof note === 'string' ? note : (note?.text ?? null)
  }
}

/** All notes are of one kind. */
export class NotesV3 extends NodeObject<object, { notes: Note }> {
  static override readonly className = 'Notes.v3'

  @command write(id: string, text: string): void {
    this.collection('notes').put(id, { text, isPinned: false })
  }
  @command pin(id: string): void {
    this.collection('notes').put(id, { text: this.read(id) ?? '', isPinned: true })
  }
  @query read(id: string): string | null {
    return this.collection('notes').get(id)?.text ?? null
  }
}

export const toV2 = {
  oldClass: NotesV1,
  newClass: NotesV2,
  futureSO: futureSO({ simulates: NotesV2, over: NotesV1, delegates: ['write', 'read'], refuses: ['pin'], methods: {} }),
  pastSO: notNeeded,
} as const

/// <reference lib="dom" />
/**
 * The stream from natsctl: everything so far, then what happens. A connection that breaks comes back by
 * itself and begins anew.
 */
import type { RecordingEntry, RecordingHeader } from '../recordingEntry.js'

export interface FeedHandlers {
  /** All entries before this are void. */
  begin(): void
  entries(entries: readonly RecordingEntry[]): void
  /** Everything that had been seen is here. */
  now?(): void
  isConnected?(connected: boolean): void
}

export async function fetchHeader(): Promise<RecordingHeader & { readonly isLive: boolean }> {
  return (await fetch('header')).json()
}

/** Returns what ends it. */
export function feed(path: string, handlers: FeedHandlers): () => void {
  const source = new EventSource(path)
  source.addEventListener('begin', () => handlers.begin())
  source.addEventListener('entries', ({ data }) => handlers.entries(JSON.parse(data)))
  source.addEventListener('now', () => handlers.now?.())
  source.addEventListener('open', () => handlers.isConnected?.(true))
  source.addEventListener('error', () => handlers.isConnected?.(false))
  return () => source.close()
}

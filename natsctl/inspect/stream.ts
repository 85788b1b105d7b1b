/**
 * Server-sent events: first what has been seen, in parts, then what happens, gathered for a
 * moment. A page that reads too slowly is disconnected rather than waited for; it comes back by
 * itself and gets everything anew.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { toJson } from '../output/output.js'
import type { Recording } from './recording.js'
import type { RecordingEntry } from './recordingEntry.js'

const gatherMs = 100
const entriesPerPart = 500
const unsentBytesMax = 64 * 1024 * 1024
const aliveMs = 15_000
/** At once: each holds what it has not sent. */
export const streamsMax = 32
let streams = 0

export function streamRollout(request: IncomingMessage, response: ServerResponse, recording: Recording): void {
  const isShown = ({ type }: RecordingEntry) => type !== 'statechart'
  stream(request, response, recording.rollout(), (hear) => recording.follow((entries) => hear(entries.filter(isShown))))
}

export function streamStatechart(request: IncomingMessage, response: ServerResponse, recording: Recording, nodeId: string): void {
  const isShown = (entry: RecordingEntry) => entry.type === 'statechart' && entry.nodeId === nodeId
  stream(request, response, recording.statechart(nodeId), (hear) => recording.follow((entries) => hear(entries.filter(isShown))))
}

function stream(
  request: IncomingMessage,
  response: ServerResponse,
  past: readonly RecordingEntry[],
  follow: (hear: (entries: readonly RecordingEntry[]) => void) => () => void,
): void {
  if (streams >= streamsMax) {
    response.writeHead(503).end()
    return
  }
  streams++
  response.writeHead(200, { 'Content-Type': 'text/event-stream' })
  let waiting: RecordingEntry[] = []
  let timer: NodeJS.Timeout | undefined
  const send = (event: string, data: unknown) => {
    if (response.writableLength > unsentBytesMax) response.destroy()
    else response.write(`event: ${event}\ndata: ${toJson(data)}\n\n`)
  }
  const flush = () => {
    timer = undefined
    send('entries', waiting)
    waiting = []
  }
  // The page's entries from an earlier connection are void.
  send('begin', null)
  for (let from = 0; from < past.length; from += entriesPerPart) send('entries', past.slice(from, from + entriesPerPart))
  send('now', null)
  const unfollow = follow((entries) => {
    for (const entry of entries) waiting.push(entry)
    if (waiting.length > 0) timer ??= setTimeout(flush, gatherMs)
  })
  // Notices a page that has gone without a word.
  const alive = setInterval(() => response.write(': \n\n'), aliveMs)
  request.on('close', () => {
    streams--
    unfollow()
    clearInterval(alive)
    clearTimeout(timer)
  })
}

/**
 * Stately's inspector as a client: a WebSocket to which the same stream goes in the protocol of
 * `@statelyai/inspect`. Messages of such a client are ignored; a client without the token is not let in.
 */
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { StatechartSeen } from 'theseus-actors/operator'
import { targetOf } from 'theseus-actors/operator'
import { type WebSocket, WebSocketServer } from 'ws'
import { type PageServer, startsWith } from './pageServer.js'
import type { Recording } from './recording.js'
import { statelyEvent } from './statelyEvents.js'

const unsentBytesMax = 64 * 1024 * 1024
const receivedBytesMax = 1024
const clientsMax = 16

export interface StatelyServer {
  readonly url: string
  close(): void
}

export function serveStately({ http, url, base, refusal }: PageServer, recording: Recording): StatelyServer {
  const server = new WebSocketServer({ noServer: true, maxPayload: receivedBytesMax })
  const path = `${base}stately`
  http.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    // From here on the connection is ours: one that breaks would end the process.
    socket.on('error', () => socket.destroy())
    const asked = targetOf(request.url)?.path ?? ''
    if (refusal(request) !== undefined) return refuse(socket, '403 Forbidden')
    if (asked.length !== path.length || !startsWith(asked, path)) return refuse(socket, '404 Not Found')
    if (server.clients.size >= clientsMax) return refuse(socket, '503 Service Unavailable')
    server.handleUpgrade(request, socket, head, (client) => follow(client, recording))
  })
  return {
    url: `${url.replace(/^http/, 'ws')}stately`,
    close: () => {
      for (const client of server.clients) client.terminate()
      server.close()
    },
  }
}

function refuse(socket: Duplex, status: string): void {
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\n\r\n`, () => socket.destroy())
}

function follow(client: WebSocket, recording: Recording): void {
  const send = (seen: StatechartSeen) => {
    const event = statelyEvent(seen, recording.header.statechart)
    if (event !== undefined) client.send(JSON.stringify(event))
  }
  for (const seen of recording.statecharts()) send(seen)
  const unfollow = recording.follow((entries) => {
    // A client that does not read is not waited for.
    if (client.bufferedAmount > unsentBytesMax) client.terminate()
    else for (const entry of entries) if (entry.type === 'statechart') send(entry)
  })
  client.on('error', () => {})
  client.on('close', unfollow)
}

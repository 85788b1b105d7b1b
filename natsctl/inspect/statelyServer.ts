/**
 * Stately's inspector as a client: a WebSocket to which the same stream goes in the protocol of `@statelyai/inspect`. What such a client sends is
 * ignored; whoever does not know the token is not let in.
 */
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { StatechartSeen } from 'theseus'
import { type WebSocket, WebSocketServer } from 'ws'
import { type PageServer, startsWith } from './pageServer.js'
import type { Recording } from './recording.js'
import { statelyEvent } from './statelyEvents.js'

const unsentBytesMax = 64 * 1024 * 1024
const receivedBytesMax = 1024

export interface StatelyServer {
  readonly url: string
  close(): void
}

export function serveStately({ http, url, base }: PageServer, recording: Recording): StatelyServer {
  const server = new WebSocketServer({ noServer: true, maxPayload: receivedBytesMax })
  const path = `${base}stately`
  http.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const { pathname } = new URL(request.url ?? '/', 'http://page')
    if (pathname.length !== path.length || !startsWith(pathname, path)) {
      socket.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n')
      return
    }
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

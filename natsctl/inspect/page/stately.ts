/// <reference lib="dom" />
/**
 * Hands what natsctl sends on to Stately's inspector in its frame. The only part of the page
 * that needs the internet.
 */
import { byId } from './dom.js'

const origin = 'https://stately.ai'
const waitingMax = 10_000

const frame = byId<HTMLIFrameElement>('inspector')
const waiting: unknown[] = []
let isConnected = false

addEventListener('message', ({ data, origin: from }) => {
  if (from !== origin || data?.type !== '@statelyai.connected') return
  isConnected = true
  for (const event of waiting.splice(0)) frame.contentWindow?.postMessage(event, origin)
})

new WebSocket(new URL('stately', location.href.replace(/^http/, 'ws'))).addEventListener('message', ({ data }) => {
  const event: unknown = JSON.parse(data)
  if (isConnected) frame.contentWindow?.postMessage(event, origin)
  else {
    waiting.push(event)
    if (waiting.length > waitingMax) waiting.shift()
  }
})

/**
 * Serves the page and what it shows, over HTTP and server-sent events, to whoever knows the URL: every path begins with a random token. By
 * default nobody but this machine reaches it at all. The page is made of files of this package and loads nothing from anywhere else.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { exitCodes, Failure } from '../exitCodes.js'
import { toJson } from '../output.js'
import type { Recording } from './recording.js'
import { streamRollout, streamStatechart } from './stream.js'

export interface PageServer {
  readonly url: string
  /** The path that every request begins with. */
  readonly base: string
  readonly http: Server
  close(): Promise<void>
}

/** Modules are compiled; what is no TypeScript is served as it is written. */
const compiled = new URL('./page/', import.meta.url)
const written = new URL('../../../natsctl/inspect/page/', import.meta.url)

const files: Record<string, readonly [URL, string]> = {
  '': [new URL('index.html', written), 'text/html; charset=utf-8'],
  'base.css': [new URL('base.css', written), 'text/css; charset=utf-8'],
  'rollout.css': [new URL('rollout.css', written), 'text/css; charset=utf-8'],
  'node.css': [new URL('node.css', written), 'text/css; charset=utf-8'],
  'icon.svg': [new URL('icon.svg', written), 'image/svg+xml'],
  'stately.html': [new URL('stately.html', written), 'text/html; charset=utf-8'],
}

const policy = {
  page: "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  /** The one page that needs the internet: it frames Stately's inspector. */
  stately:
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; frame-src https://stately.ai; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
}

export async function servePage(
  recording: Recording,
  { listen, port, isLive }: { readonly listen: string; readonly port: number; readonly isLive: boolean },
): Promise<PageServer> {
  const token = randomBytes(16).toString('base64url')
  const base = `/${token}/`
  const http = createServer((request, response) => {
    answer(request, response, base, recording, isLive).catch(() => response.destroy())
  })
  await new Promise<void>((resolve, reject) => {
    http.once('error', (error: NodeJS.ErrnoException) => reject(cannotListen(listen, port, error)))
    http.listen(port, listen, resolve)
  })
  const { address, port: bound, family } = http.address() as AddressInfo
  const host = family === 'IPv6' ? `[${address}]` : address
  return {
    url: `http://${host}:${bound}${base}`,
    base,
    http,
    close: () =>
      new Promise((resolve) => {
        http.close(() => resolve())
        http.closeAllConnections()
      }),
  }
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  base: string,
  recording: Recording,
  isLive: boolean,
): Promise<void> {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://page')
  response.setHeader('Cache-Control', 'no-store')
  response.setHeader('X-Content-Type-Options', 'nosniff')
  // The URL is the key: it goes nowhere else.
  response.setHeader('Referrer-Policy', 'no-referrer')
  response.setHeader('Content-Security-Policy', policy.page)
  if (request.method !== 'GET' || !startsWith(pathname, base)) return refuse(response, request.method === 'GET' ? 404 : 405)
  const path = pathname.slice(base.length)
  switch (path) {
    case 'header':
      return send(response, 'application/json', toJson({ ...recording.header, isLive }))
    case 'rollout':
      return streamRollout(request, response, recording)
    case 'statechart':
      return streamStatechart(request, response, recording, searchParams.get('node') ?? '')
    default:
      return sendFile(response, path)
  }
}

async function sendFile(response: ServerResponse, path: string): Promise<void> {
  const isModule = /^[a-zA-Z]+\.js$/.test(path)
  const [url, type] = isModule ? [new URL(path, compiled), 'text/javascript; charset=utf-8'] : (files[path] ?? [undefined, ''])
  if (url === undefined) return refuse(response, 404)
  try {
    const body = await readFile(fileURLToPath(url))
    if (path === 'stately.html') response.setHeader('Content-Security-Policy', policy.stately)
    send(response, type, body)
  } catch {
    refuse(response, 404)
  }
}

function send(response: ServerResponse, type: string, body: string | Buffer): void {
  response.setHeader('Content-Type', type)
  response.end(body)
}

function refuse(response: ServerResponse, status: number): void {
  response.statusCode = status
  response.setHeader('Content-Type', 'text/plain')
  response.end(status === 404 ? 'not here: use the whole URL that natsctl printed\n' : 'GET only\n')
}

/** Takes the same time whatever is wrong with it. */
export function startsWith(pathname: string, base: string): boolean {
  const begin = Buffer.from(pathname.slice(0, base.length).padEnd(base.length))
  const expected = Buffer.from(base)
  return begin.length === expected.length && timingSafeEqual(begin, expected)
}

function cannotListen(listen: string, port: number, { code, message }: NodeJS.ErrnoException): Failure {
  const reasons: Record<string, string> = {
    EADDRINUSE: `port ${port} is taken: choose another with --port`,
    EACCES: `port ${port} is not allowed`,
    EADDRNOTAVAIL: `${listen} is no address of this machine`,
  }
  return new Failure(exitCodes.error, `error: can't listen: ${reasons[code ?? ''] ?? message}`)
}

/**
 * Serves the page and what it shows, over HTTP and server-sent events, to whoever knows the URL: every path
 * begins with a random token. By default nobody but this machine reaches it at all. The page is made of files
 * of this package and loads nothing from anywhere else.
 */
import { randomBytes, timingSafeEqual } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { type HttpPlace, type HttpRefusal, isLoopback, refusalOf, targetOf } from 'theseus-actors/operator'
import { exitCodes, Failure } from '../output/exitCodes.js'
import { toJson } from '../output/output.js'
import type { Recording } from './recording.js'
import { streamRollout, streamStatechart } from './stream.js'

export interface PageServer {
  readonly url: string
  /** The path that every request begins with. */
  readonly base: string
  readonly http: Server
  /** Why a request is not looked at any further. */
  refusal(request: IncomingMessage): HttpRefusal | undefined
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

/** A page keeps two streams open. */
const connectionsMax = 64
const requestTimeoutMs = 10_000
const limits = { requestTimeout: requestTimeoutMs, headersTimeout: requestTimeoutMs, maxHeaderSize: 8192 }

export async function servePage(
  recording: Recording,
  { listen, port, isLive }: { readonly listen: string; readonly port: number; readonly isLive: boolean },
): Promise<PageServer> {
  const token = randomBytes(16).toString('base64url')
  const base = `/${token}/`
  // Where others are to reach it they do so under names that nobody knows here; the token protects it.
  const place: HttpPlace = { listen, hosts: isLoopback(listen) ? [] : 'any' }
  const refusal = (request: IncomingMessage) => refusalOf(request.headers, place)
  const http = createServer(limits, (request, response) => {
    answer(request, response, refusal(request), base, recording, isLive).catch(() => response.destroy())
  })
  http.maxConnections = connectionsMax
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
    refusal,
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
  refusal: HttpRefusal | undefined,
  base: string,
  recording: Recording,
  isLive: boolean,
): Promise<void> {
  response.setHeader('Cache-Control', 'no-store')
  response.setHeader('X-Content-Type-Options', 'nosniff')
  // The URL is the key: it goes nowhere else.
  response.setHeader('Referrer-Policy', 'no-referrer')
  response.setHeader('Content-Security-Policy', policy.page)
  if (refusal !== undefined) return refuse(response, refusal.status, refusal.why)
  if (request.method !== 'GET') return refuse(response, 405, 'GET only')
  const target = targetOf(request.url)
  if (target === undefined || !startsWith(target.path, base)) return refuse(response, 404)
  const path = target.path.slice(base.length)
  switch (path) {
    case 'header':
      return send(response, 'application/json', toJson({ ...recording.header, isLive }))
    case 'rollout':
      return streamRollout(request, response, recording)
    case 'statechart':
      return streamStatechart(request, response, recording, target.query.get('node') ?? '')
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

function refuse(response: ServerResponse, status: number, why = 'not here: use the whole URL that natsctl printed'): void {
  response.statusCode = status
  response.setHeader('Content-Type', 'text/plain')
  response.end(`${why}\n`)
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

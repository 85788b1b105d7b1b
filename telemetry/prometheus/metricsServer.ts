/**
 * The three pages of a host for those who look after it: `/metrics` for Prometheus, `/healthz` (the process
 * answers) and `/readyz` (it should be sent work) for whoever starts and restarts it. On the loopback
 * interface, unless it is told otherwise: the pages ask nobody who they are.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { Fault } from '../../core/base/fault.js'
import { type HttpPlace, refusalOf, targetOf } from '../../core/base/httpGuard.js'
import { type HostStatus, reasonsNotReady } from '../../core/inspection/hostStatus.js'
import type { MetricsServer } from '../../core/inspection/metrics.js'
import { trustText } from '../../core/trust/trustMark.js'

export interface MetricsListenOptions {
  /** 0 is for a free one. */
  readonly port: number
  /** The address to listen on. `127.0.0.1` by default. */
  readonly listen?: string
  /**
   * Names under which it is asked, beside addresses, `localhost` and names of one word: a page of another
   * site is answered under none.
   */
  readonly hosts?: readonly string[]
}

export interface MetricsPages {
  readonly status: () => HostStatus
  readonly metrics: () => Promise<string>
  readonly contentType: string
}

/** Nobody has a reason to keep a connection or to send a body. */
const requestTimeoutMs = 10_000
const connectionsMax = 64

export async function serveMetrics(
  { port, listen = '127.0.0.1', hosts = [] }: MetricsListenOptions,
  pages: MetricsPages,
): Promise<MetricsServer> {
  const server = createServer(
    { requestTimeout: requestTimeoutMs, headersTimeout: requestTimeoutMs, maxHeaderSize: 8192 },
    (request, response) => {
      answer(request, response, { listen, hosts }, pages).catch(() => {
        if (!response.headersSent) json(response, 500, { status: 'error' })
        else response.end()
      })
    },
  )
  server.maxConnections = connectionsMax
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => {
      const fault = `metrics: can't listen on ${listen}:${port} (${error.message})`
      reject(new Fault('config.invalid', fault, {}, { cause: error }))
    })
    server.listen(port, listen, resolve)
  })
  // A host that has stopped is not kept alive by those who ask how it is.
  server.unref()
  const { port: chosen } = server.address() as { readonly port: number }
  return {
    url: `http://${listen.includes(':') ? `[${listen}]` : listen}:${chosen}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function answer(
  { method, url, headers }: IncomingMessage,
  response: ServerResponse,
  place: HttpPlace,
  pages: MetricsPages,
): Promise<void> {
  const refusal = refusalOf(headers, place)
  if (refusal !== undefined) {
    json(response, refusal.status, { status: refusal.why })
    return
  }
  if (method !== 'GET' && method !== 'HEAD') {
    response.setHeader('allow', 'GET, HEAD')
    json(response, 405, { status: 'only GET' })
    return
  }
  switch (targetOf(url)?.path) {
    case '/metrics': {
      const text = await pages.metrics()
      response.writeHead(200, { 'content-type': pages.contentType, 'cache-control': 'no-store' }).end(text)
      return
    }
    case '/healthz': {
      const { hostId, system } = pages.status()
      json(response, 200, { status: 'ok', system, host: hostId })
      return
    }
    case '/readyz': {
      const status = pages.status()
      const reasons = reasonsNotReady(status)
      json(response, reasons.length === 0 ? 200 : 503, readiness(status, reasons))
      return
    }
    default:
      json(response, 404, { status: 'there are /metrics, /healthz and /readyz' })
  }
}

function readiness({ system, hostId, transport, trust, newestVersion, nodes }: HostStatus, reasons: readonly string[]): object {
  return {
    status: reasons.length === 0 ? 'ready' : 'not ready',
    reasons,
    system,
    host: hostId,
    transport,
    newestVersion,
    ...(trust === undefined ? {} : { trust: trustText(trust) }),
    nodes: nodes.map(({ id, service, className, version, phase, target, reason, isServing }) => {
      return { id, service, class: className, version, phase, target, reason, isServing }
    }),
  }
}

function json(response: ServerResponse, code: number, body: object): void {
  response.writeHead(code, { 'content-type': 'application/json', 'cache-control': 'no-store' }).end(`${JSON.stringify(body)}\n`)
}

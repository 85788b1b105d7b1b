/** A recorder of spans, by the SDK's in-memory exporter, and spans as they travel between processes. */
import { context, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { BasicTracerProvider, InMemorySpanExporter, type ReadableSpan, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'

export interface SeenSpan {
  readonly name: string
  /** As OpenTelemetry numbers them: 0 INTERNAL, 1 SERVER, 2 CLIENT, 3 PRODUCER, 4 CONSUMER. */
  readonly kind: number
  readonly traceId: string
  readonly spanId: string
  readonly parentId: string | undefined
  readonly tracestate: string | undefined
  readonly attributes: Readonly<Record<string, unknown>>
  readonly status: { readonly code: number; readonly message?: string }
  /** The ids of the spans that it links to. */
  readonly links: readonly string[]
  /** Their reasons, or their names where they have none. */
  readonly events: readonly string[]
}

const exporter = new InMemorySpanExporter()

/**
 * Registers a provider for this process. Without `contexts` no context survives an await, as in a process
 * that has set up nothing.
 */
export function recordSpans({ contexts = true } = {}): void {
  if (contexts) context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }))
}

/** Those that have ended. */
export function seenSpans(): readonly SeenSpan[] {
  return exporter.getFinishedSpans().map(seen)
}

function seen(span: ReadableSpan): SeenSpan {
  const { traceId, spanId, traceState } = span.spanContext()
  return {
    name: span.name,
    kind: span.kind,
    traceId,
    spanId,
    parentId: span.parentSpanContext?.spanId,
    tracestate: traceState?.serialize(),
    attributes: span.attributes,
    status: span.status,
    links: span.links.map((link) => link.context.spanId),
    events: span.events.map(({ name, attributes }) => String(attributes?.['theseus.reason'] ?? name)),
  }
}

/**
 * Spans by `@opentelemetry/api` alone: which SDK records them, and where they go, is the
 * process's own affair. While no tracer provider is registered nothing is recorded, and what
 * arrives as trace context is passed on.
 *
 * A call is a CLIENT span where it is made and a SERVER span where its method runs, its child. A send or an
 * event is a PRODUCER span, and whoever carries it out begins a trace of its own, by a CONSUMER span that
 * links to it: an event may be heard by a thousand nodes.
 */
import {
  type Attributes,
  type Context,
  context,
  type Link,
  ProxyTracerProvider,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  type TracerProvider,
  trace,
} from '@opentelemetry/api'
import { shownText } from '../../core/base/boundedText.js'
import { Fault } from '../../core/base/fault.js'
import { promiseOf, whenSettled } from '../../core/base/maybePromise.js'
import { thrownText } from '../../core/base/thrownText.js'
import {
  type CallMade,
  type CallReceived,
  type Hop,
  type MadeWatch,
  type ReceivedWatch,
  type Telemetry,
  upgradeServerName,
} from '../../core/inspection/telemetry.js'
import { kinds } from '../../core/wire/envelope.js'
import { spanContextOf, traceOf } from './spanContext.js'
import { UpgradeSpans } from './upgradeSpans.js'

const scope = 'theseus'

export interface OpenTelemetryOptions {
  /** Instead of the one of the process's tracer provider. */
  readonly tracer?: Tracer
}

/** `createHost({ …, telemetry: openTelemetry() })`. */
export function openTelemetry(options: OpenTelemetryOptions = {}): Telemetry {
  return new OpenTelemetry(options.tracer)
}

class OpenTelemetry implements Telemetry {
  readonly #given: Tracer | undefined
  #provider: TracerProvider | undefined
  #found: Tracer | undefined
  readonly #upgrades = new UpgradeSpans(() => this.#tracer())

  constructor(tracer: Tracer | undefined) {
    this.#given = tracer
  }

  /**
   * Undefined as long as nobody has registered a provider. It may be registered later than the host starts.
   */
  #tracer(): Tracer | undefined {
    if (this.#given !== undefined) return this.#given
    const provider = trace.getTracerProvider()
    const registered = provider instanceof ProxyTracerProvider ? provider.getDelegate() : provider
    if (registered === this.#provider) return this.#found
    this.#provider = registered
    this.#found = provider instanceof ProxyTracerProvider ? provider.getDelegateTracer(scope) : provider.getTracer(scope)
    return this.#found
  }

  made(call: CallMade): MadeWatch | undefined {
    // Every host asks twice a minute: that would be a trace of its own each time.
    if (call.service === upgradeServerName) return undefined
    const span = this.#tracer()?.startSpan(
      nameOf(call),
      { kind: SpanKind.CLIENT, attributes: madeAttributes(call) },
      parentOf(call.parent),
    )
    if (span === undefined) return undefined
    return {
      trace: traceOf(span.spanContext()),
      answered: ({ node, className, version }, hops) => {
        span.setAttributes({
          'theseus.callee.node': node,
          'theseus.callee.class': className,
          'theseus.callee.version': version,
          'theseus.hops': hops,
        })
        span.end()
      },
      failed: (fault, replier) => {
        if (replier !== undefined) {
          span.setAttributes({ 'theseus.callee.node': replier.node, 'theseus.callee.class': replier.className })
          span.setAttribute('theseus.callee.version', replier.version)
        }
        endBadly(span, fault)
      },
    }
  }

  sent(call: CallMade): string | null {
    const tracer = this.#tracer()
    if (tracer === undefined) return call.parent
    const attributes = madeAttributes(call)
    const span = tracer.startSpan(nameOf(call), { kind: SpanKind.PRODUCER, attributes }, parentOf(call.parent))
    span.end()
    return traceOf(span.spanContext())
  }

  received(call: CallReceived): ReceivedWatch | undefined {
    const tracer = this.#tracer()
    if (tracer === undefined) return undefined
    const { envelope, service } = call
    const span = tracer.startSpan(`${service}/${envelope.method}`, ...placeOf(call))
    return {
      trace: traceOf(span.spanContext()),
      run: (method) => context.with(trace.setSpan(context.active(), span), method),
      ended: (outcome, fault) => {
        if (outcome === 'answered') span.end()
        else endBadly(span, fault ?? new Fault('timeout.deadline', 'its deadline had come before its turn'))
      },
    }
  }

  hop<T>(hop: Hop, run: () => T): T {
    const tracer = this.#tracer()
    if (tracer === undefined) return run()
    const { node, role, version, className, method } = hop
    const attributes = { 'theseus.node': node, 'theseus.class': className, 'theseus.version': version, 'theseus.role': role }
    const parent = parentOf(hop.parent)
    const span = tracer.startSpan(`${role} ${className}/${method}`, { kind: SpanKind.INTERNAL, attributes }, parent)
    let result: T
    try {
      result = context.with(trace.setSpan(parent, span), run)
    } catch (error) {
      endBadly(span, error)
      throw error
    }
    const promise = promiseOf(result)
    if (promise === undefined) {
      span.end()
      return result
    }
    void whenSettled(
      promise,
      () => span.end(),
      (error) => endBadly(span, error),
    )
    return promise as T
  }

  readonly observe = this.#upgrades.observe

  stop(): void {
    this.#upgrades.stop()
  }
}

function nameOf({ kind, service, method }: CallMade): string {
  if (kind === kinds.event) return `publish ${method}`
  return service === null ? method : `${service}/${method}`
}

function madeAttributes(call: CallMade): Attributes {
  return {
    ...(call.kind === kinds.event
      ? { 'messaging.system': 'theseus', 'messaging.operation.type': 'send', 'messaging.destination.name': call.subject }
      : {
          'rpc.system': 'theseus',
          'rpc.method': call.method,
          ...(call.service === null ? {} : { 'rpc.service': call.service }),
        }),
    ...(call.service === null ? {} : { 'theseus.service': call.service }),
    'theseus.subject': call.subject,
    'theseus.label': call.label,
    'theseus.caller.node': call.caller,
    'theseus.caller.class': call.callerClass,
    'theseus.caller.version': call.callerVersion,
  }
}

function receivedAttributes({ envelope, service, replier, link, hops, waitedMs }: CallReceived): Attributes {
  return {
    'rpc.system': 'theseus',
    'rpc.service': service,
    'rpc.method': envelope.method,
    'theseus.service': service,
    'theseus.node': replier.node,
    'theseus.label': envelope.label,
    'theseus.caller.node': envelope.caller,
    'theseus.caller.class': envelope.callerClass,
    'theseus.caller.version': envelope.callerVersion,
    'theseus.callee.version': replier.version,
    ...(link === undefined ? {} : { 'theseus.class': link.className, 'theseus.role': link.role }),
    'theseus.hops': hops,
    'theseus.mailbox.waited_ms': waitedMs,
  }
}

function placeOf(call: CallReceived): [{ kind: SpanKind; attributes: Attributes; links?: Link[]; root?: boolean }, Context] {
  const { envelope, replier } = call
  const attributes = receivedAttributes(call)
  const parent = spanContextOf(envelope.trace)
  if (envelope.kind === kinds.call) {
    const around = context.active()
    const remote = parent === undefined ? trace.deleteSpan(around) : trace.setSpanContext(around, parent)
    return [{ kind: SpanKind.SERVER, attributes }, remote]
  }
  // A timer's call is the object's own.
  const kind = envelope.caller === replier.node && parent === undefined ? SpanKind.INTERNAL : SpanKind.CONSUMER
  return [{ kind, attributes, links: parent === undefined ? [] : [{ context: parent }], root: true }, context.active()]
}

/**
 * Where a span belongs that is made for the call `parent`: under it, or, if the method has spans of its own,
 * under the one that is active. Code outside any object has the active one only.
 */
function parentOf(parent: string | null): Context {
  const active = context.active()
  const running = spanContextOf(parent)
  if (running === undefined || trace.getSpanContext(active)?.traceId === running.traceId) return active
  return trace.setSpanContext(active, running)
}

function endBadly(span: Span, error: unknown): void {
  span.setAttribute('error.type', codeOf(error) ?? 'error')
  span.setStatus({ code: SpanStatusCode.ERROR, message: shownText(thrownText(error)) })
  span.end()
}

function codeOf(error: unknown): string | undefined {
  try {
    const { code } = error as { code?: unknown }
    return typeof code === 'string' ? code : undefined
  } catch {
    return undefined
  }
}

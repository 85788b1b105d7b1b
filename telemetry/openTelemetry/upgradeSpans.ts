/**
 * One span for each upgrade of a node, with a child for each phase, out of what the host tells its observers.
 */
import { context, ROOT_CONTEXT, type Span, SpanStatusCode, type Tracer, trace } from '@opentelemetry/api'
import { isOfStage } from '../../core/base/phases.js'
import type { HostEvent, HostObserver } from '../../core/inspection/hostEvents.js'

type PhaseEvent = Extract<HostEvent, { readonly type: 'phase' }>

interface OpenUpgrade {
  readonly span: Span
  phase: { readonly name: string; readonly span: Span } | undefined
}

export class UpgradeSpans {
  readonly #open = new Map<string, OpenUpgrade>()

  constructor(private readonly tracer: () => Tracer | undefined) {}

  readonly observe: HostObserver = (event) => {
    if (event.type === 'phase') this.#entered(event)
    if (event.type === 'flipped') {
      this.#open.get(event.nodeId)?.span.addEvent('flipped', {
        'theseus.version': event.version,
        'theseus.class': event.className,
      })
    }
  }

  stop(): void {
    for (const [nodeId, { span }] of this.#open) {
      span.addEvent('the host stops')
      this.#endPhase(nodeId)
      span.end()
    }
    this.#open.clear()
  }

  #entered(event: PhaseEvent): void {
    const { nodeId, phase, version, className, reason } = event
    if (isOfStage(phase, 'idle', 'stuck', 'failed')) {
      this.#end(event)
      return
    }
    const upgrade = this.#open.get(nodeId) ?? this.#begin(event)
    if (upgrade === undefined) return
    if (upgrade.phase?.name !== phase) {
      this.#endPhase(nodeId)
      const attributes = { 'theseus.phase': phase, 'theseus.version': version, 'theseus.class': className }
      const span = this.tracer()?.startSpan(`upgrade ${phase}`, { attributes }, trace.setSpan(ROOT_CONTEXT, upgrade.span))
      if (span !== undefined) upgrade.phase = { name: phase, span }
    }
    // Said again, for another reason: what it waits for.
    if (reason !== null) upgrade.phase?.span.addEvent('waits', { 'theseus.reason': reason })
  }

  #begin({ nodeId, service, className, version, target }: PhaseEvent): OpenUpgrade | undefined {
    const span = this.tracer()?.startSpan(
      `upgrade ${service} to version ${target}`,
      {
        root: true,
        attributes: {
          'theseus.node': nodeId,
          'theseus.service': service,
          'theseus.class': className,
          'theseus.version': version,
          'theseus.upgrade': target ?? version,
        },
      },
      context.active(),
    )
    if (span === undefined) return undefined
    const upgrade: OpenUpgrade = { span, phase: undefined }
    this.#open.set(nodeId, upgrade)
    return upgrade
  }

  #end({ nodeId, phase, reason }: PhaseEvent): void {
    const upgrade = this.#open.get(nodeId)
    if (upgrade === undefined) return
    this.#endPhase(nodeId, phase === 'current' ? null : (reason ?? phase))
    this.#open.delete(nodeId)
    upgrade.span.setAttribute('theseus.outcome', phase)
    upgrade.span.setStatus(
      phase === 'current' ? { code: SpanStatusCode.OK } : { code: SpanStatusCode.ERROR, message: `${phase}: ${reason}` },
    )
    upgrade.span.end()
  }

  #endPhase(nodeId: string, failure: string | null = null): void {
    const upgrade = this.#open.get(nodeId)
    if (upgrade?.phase === undefined) return
    if (failure !== null) upgrade.phase.span.setStatus({ code: SpanStatusCode.ERROR, message: failure })
    upgrade.phase.span.end()
    upgrade.phase = undefined
  }
}

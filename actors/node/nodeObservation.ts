/**
 * All of a node's state, as its host tells it to those who look and ask for it: bounded, and no more than the
 * setting `observedState` allows.
 */
import { Fault } from '../../core/base/fault.js'
import {
  collectionsSeenMax,
  type FieldsSeen,
  fieldsSeenMax,
  type SlotSeen,
  type StateSeen,
  textSeenMax,
} from '../../core/inspection/inspection.js'
import type { Clock } from '../../core/ports/clock.js'
import { plain } from '../../core/upgrade/statechartEvent.js'
import { pack } from '../../core/wire/codec.js'
import type { HostSettings } from '../base/settings.js'
import { within } from '../base/timeouts.js'
import type { NodeSource } from '../upgrade/schedulingView.js'

/** Bytes of the values of one record: beyond, its names alone are told. */
const valuesBytesMax = 16 * 1024

export async function observed(
  source: NodeSource,
  { clock, settings }: { readonly clock: Clock; readonly settings: HostSettings },
): Promise<StateSeen | undefined> {
  const { observedState, observedMs } = settings
  if (observedState === 'nothing') return undefined
  const fieldsOf = (record: Record<string, unknown>) => fieldsSeen(record, observedState === 'values')
  const late = () => new Fault('timeout.deadline', 'the object is busy')
  const never = new AbortController().signal
  const memory = await within(clock, observedMs, source.memory(never), late).catch(() => null)
  const slot = (of: { readonly version: number; readonly className: string }, isObject: boolean): SlotSeen => {
    const at = isObject ? undefined : of.version
    const collections = source.collections(at).slice(0, collectionsSeenMax)
    return { ...of, isObject, ...fieldsOf(source.state(at)), collections }
  }
  const states = [
    slot({ version: source.version, className: source.className }, true),
    ...source.simulations().map((of) => slot(of, false)),
  ]
  return { type: 'state', at: clock.now(), nodeId: source.nodeId, states, memory: memory === null ? null : fieldsOf(memory) }
}

function fieldsSeen(record: Record<string, unknown>, withValues: boolean): FieldsSeen {
  const entries = Object.entries(record).slice(0, fieldsSeenMax)
  const fields = entries.map(([name]) => name.slice(0, textSeenMax).toWellFormed())
  if (!withValues) return { fields, values: null }
  const values = entries.map(([, value]) => plain(value, 1))
  return { fields, values: pack(values).length <= valuesBytesMax ? values : null }
}

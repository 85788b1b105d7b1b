/// <reference lib="dom" />
/**
 * The part above the lanes: how far it has come, the legend that is a filter too, and the
 * versions with their calls.
 */
import type { Version } from 'theseus-actors'
import { byId, element, setAttributes, setText } from './dom.js'
import { type Counts, noCounts } from './overview.js'
import { groupOf, type PhaseGroup, phaseGroups, phasesOf } from './phaseGroups.js'
import { byVersion, phaseOf, type Rollout } from './rollout.js'

const number = new Intl.NumberFormat('en')
const announceMs = 5_000
const versionsShownMax = 6
/** Rates are over the last few seconds. */
const samplesMax = 5
const sampleMs = 1_000

export function countsOf(rollout: Rollout): Counts {
  const counts = noCounts()
  for (const node of rollout.nodes.values()) counts[groupOf(phaseOf(node))]++
  return counts
}

export class SummaryView {
  readonly #chips = new Map<PhaseGroup, { chip: HTMLButtonElement; count: HTMLElement; bar: HTMLElement }>()
  readonly #samples: { readonly at: number; readonly calls: ReadonlyMap<Version, number> }[] = []
  #announcedAt = Number.NEGATIVE_INFINITY

  constructor(
    private readonly isLive: boolean,
    toggle: (group: PhaseGroup) => void,
  ) {
    for (const { group, title, means } of phaseGroups) {
      const phases = phasesOf(group)
      const count = element('span', { class: 'count' }, '0')
      const label = `${title}: ${means}${phases.length > 1 ? ` (${phases.join(', ')})` : ''}`
      const chip = element(
        'button',
        { type: 'button', class: `chip ${group}`, 'aria-pressed': 'false', title: label },
        element('span', { class: 'swatch', 'aria-hidden': 'true' }),
        title,
        count,
      )
      chip.addEventListener('click', () => toggle(group))
      const bar = element('span', { class: group })
      byId('legend').append(chip)
      byId('progress').append(bar)
      this.#chips.set(group, { chip, count, bar })
    }
  }

  show(rollout: Rollout, filter: ReadonlySet<PhaseGroup>, now: number): void {
    const counts = countsOf(rollout)
    for (const [group, { chip, count, bar }] of this.#chips) {
      setText(count, number.format(counts[group]))
      setAttributes(chip, { 'aria-pressed': String(filter.has(group)) })
      bar.style.flexGrow = String(counts[group])
    }
    const said = sentence(rollout, counts)
    setText(byId('state'), said)
    if (now - this.#announcedAt > announceMs) {
      this.#announcedAt = now
      setText(byId('announcement'), said)
    }
    showLosses(rollout)
    this.#showVersions(rollout, now)
  }

  #showVersions(rollout: Rollout, now: number): void {
    const versions = byVersion(rollout)
    const last = this.#samples.at(-1)
    if (last === undefined || now - last.at >= sampleMs) {
      this.#samples.push({ at: now, calls: new Map(versions.map(({ version, calls }) => [version, calls])) })
      if (this.#samples.length > samplesMax) this.#samples.shift()
    }
    const most = Math.max(1, ...versions.map(({ nodes }) => nodes))
    const rows = versions.slice(0, versionsShownMax).map(({ version, nodes, calls }) => {
      const title = rollout.versions.get(version)?.title ?? (version === 0 ? 'as it was born' : '')
      const share = element('span', { class: 'share' })
      share.style.width = `${(nodes / most) * 100}%`
      return element(
        'tr',
        {},
        element('th', { scope: 'row' }, element('b', {}, `v${version}`), ' ', element('span', { class: 'quiet' }, title)),
        element('td', { class: 'number' }, share, number.format(nodes)),
        element('td', { class: 'number' }, number.format(calls)),
        element('td', { class: 'number' }, this.#rate(version, calls, now)),
      )
    })
    const body = byId('versions').querySelector('tbody')!
    const text = rows.map((row) => row.textContent).join('|')
    if (body.dataset.said === text) return
    body.dataset.said = text
    body.replaceChildren(...rows)
  }

  #rate(version: Version, calls: number, now: number): string {
    const first = this.#samples[0]!
    const before = first.calls.get(version) ?? 0
    const seconds = (now - first.at) / 1000
    // A node that starts again counts from 0.
    return !this.isLive || seconds < 1 || calls < before ? '–' : number.format(Math.round((calls - before) / seconds))
  }
}

/** Losses are always shown. */
function showLosses({ lostMessages, dropped }: Rollout): void {
  const parts = [
    dropped === 0 ? [] : [`${number.format(dropped)} events were more than the hosts could tell in time`],
    lostMessages === 0 ? [] : [`${number.format(lostMessages)} messages were lost on the way`],
  ].flat()
  byId('losses').hidden = parts.length === 0
  setText(byId('losses'), parts.length === 0 ? '' : `Not all is shown: ${parts.join(', ')}.`)
}

function sentence(rollout: Rollout, counts: Counts): string {
  const { newest, nodes } = rollout
  if (nodes.size === 0) return 'no nodes are registered'
  let there = 0
  for (const node of nodes.values()) if (node.version >= newest && phaseOf(node) === 'current') there++
  const trouble = counts.trouble === 0 ? '' : `, ${number.format(counts.trouble)} in trouble`
  return `version ${newest}: ${number.format(there)} of ${number.format(nodes.size)} nodes there${trouble}`
}

/// <reference lib="dom" />
/**
 * The page: hears what natsctl sends, keeps the rollout, and draws what has changed, at most once a frame.
 */
import type { StatechartSeen } from 'theseus-actors/operator'
import { onColourSchemeChange, readCanvasColours } from './canvasColours.js'
import { byId, setText } from './dom.js'
import { feed, fetchHeader } from './feed.js'
import { Lanes } from './lanes.js'
import { NodePanel } from './nodePanel.js'
import { byName, type NodeOrder, selectNodes } from './nodeSelection.js'
import type { PhaseGroup } from './phaseGroups.js'
import { phaseOf, Rollout, type RolloutNode } from './rollout.js'
import { SummaryView } from './summaryView.js'
import { TimeView } from './timeView.js'

/** Sorting and counting everything can wait a little; bars and scrolling do not. */
const listMs = 200

const header = await fetchHeader()
let rollout = new Rollout()
let nodes: readonly RolloutNode[] = []
let named: { of?: Rollout; membership: number; nodes: readonly RolloutNode[] } = { membership: -1, nodes: [] }
let events: StatechartSeen[] = []
let chosen: string | undefined
let ink = readCanvasColours()
let listedAt = Number.NEGATIVE_INFINITY
let isStale = true
let isComplete = false
/** The node that was chosen by nobody, or by the URL, may be far down. */
let isToReveal = true
let endFollowing = () => {}
const groups = new Set<PhaseGroup>()

document.title = `Rollout of ${header.system}`
setText(byId('title'), header.system)
setText(byId('connection'), header.isLive ? 'connecting' : 'recording')

const lanes = new Lanes(choose)
const time = new TimeView(changed)
const summary = new SummaryView(header.isLive, (group) => {
  if (!groups.delete(group)) groups.add(group)
  changed()
})
const panel = new NodePanel(header.statechart, changed)

function changed(): void {
  isStale = true
  listedAt = Number.NEGATIVE_INFINITY
}

function choose(nodeId: string): void {
  if (nodeId !== chosen) follow(nodeId)
  chosen = nodeId
  history.replaceState(null, '', `#node=${encodeURIComponent(nodeId)}`)
  changed()
}

/** The statechart of one node at a time: those of a thousand would be too much. */
function follow(nodeId: string): void {
  endFollowing()
  events = []
  endFollowing = feed(`statechart?node=${encodeURIComponent(nodeId)}`, {
    begin: () => {
      events = []
    },
    entries: (entries) => {
      for (const entry of entries) if (entry.type === 'statechart') events.push(entry)
      changed()
    },
  })
}

const wanted = new URLSearchParams(location.hash.slice(1)).get('node')
if (wanted !== null) choose(wanted)

feed('rollout', {
  begin: () => {
    rollout = new Rollout()
    isComplete = false
  },
  entries: (entries) => {
    rollout.apply(entries)
    isStale = true
  },
  now: () => {
    isComplete = true
    changed()
  },
  isConnected: (isConnected) => {
    const said = header.isLive ? (isConnected ? 'live' : 'natsctl does not answer') : 'recording'
    setText(byId('connection'), said)
    byId('connection').dataset.state = said
  },
})

for (const id of ['find', 'order']) byId(id).addEventListener('input', changed)
onColourSchemeChange(() => {
  ink = readCanvasColours()
  changed()
})
addEventListener('resize', changed)
addEventListener('keydown', (event) => {
  if (event.key !== '/' || event.ctrlKey || event.metaKey || event.target instanceof HTMLInputElement) return
  event.preventDefault()
  byId('find').focus()
})

/** This moment, or the end of what was recorded. */
function endOfTime(): number {
  return header.isLive ? Date.now() : rollout.lastAt
}

function list(now: number): void {
  listedAt = performance.now()
  const find = byId<HTMLInputElement>('find').value
  const order = byId<HTMLSelectElement>('order').value as NodeOrder
  if (named.of !== rollout || named.membership !== rollout.membership)
    named = { of: rollout, membership: rollout.membership, nodes: byName(rollout.nodes.values()) }
  nodes = selectNodes(named.nodes, { find, groups, order })
  const isWhole = nodes.length === rollout.nodes.size
  setText(byId('shown'), isWhole ? `${nodes.length} nodes` : `${nodes.length} of ${rollout.nodes.size}`)
  const nothing = rollout.nodes.size === 0 ? `system ${header.system} has no registered nodes yet` : 'no node is like that'
  setText(byId('nothing'), nodes.length === 0 && isComplete ? nothing : '')
  byId('nothing').hidden = nodes.length > 0
  summary.show(rollout, groups, now)
  if (chosen === undefined && nodes.length > 0 && isComplete) choose((nodes.find(isInteresting) ?? nodes[0]!).nodeId)
}

function isInteresting(node: RolloutNode): boolean {
  return phaseOf(node) !== 'current'
}

/** Bars grow while something is under way; otherwise once a second is enough. */
let drawnAt = Number.NEGATIVE_INFINITY
function frame(): void {
  requestAnimationFrame(frame)
  const moment = performance.now()
  const isMoving = header.isLive && nodes.some(isInteresting)
  if (!isStale && !isMoving && (!header.isLive || moment - drawnAt < 1000)) return
  const now = endOfTime()
  const isListDue = moment - listedAt >= listMs
  if (isListDue) list(now)
  // The next list shows what came since this one was made.
  isStale = isStale && !isListDue
  drawnAt = moment
  const range = time.range(rollout, now)
  time.draw(nodes, range, range.from, ink, moment, isListDue)
  lanes.show({ nodes, range, end: now, chosen, ink })
  if (isToReveal && chosen !== undefined && nodes.length > 0) {
    lanes.reveal(nodes.findIndex(({ nodeId }) => nodeId === chosen))
    isToReveal = false
  }
  panel.show(rollout, chosen === undefined ? undefined : rollout.nodes.get(chosen), events, now)
}
requestAnimationFrame(frame)

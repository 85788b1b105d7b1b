import test from 'ava'
import type { NodeRow } from 'theseus-actors'
import type { Control } from '../../core/control/control.js'
import type { Manifest } from '../../core/upgrade/manifest.js'
import { rolloutExitCode } from '../../natsctl/rollout/rolloutExitCode.js'
import { type RolloutFacts, rolloutStateOf, undoOf } from '../../natsctl/rollout/rolloutState.js'

function row(nodeId: string, about: Partial<NodeRow>): NodeRow {
  return {
    ...{ nodeId, service: 'pages', className: 'Pages', version: 0, phase: 'current' },
    ...{ target: null, reason: null, hostId: 'h', directoryId: 'd', since: 0, alive: true },
    ...about,
  }
}

function manifest(version: number, undoes: number | null = null): Manifest {
  return { version, undoes } as Manifest
}

function pause(version: number): Control {
  return { kind: 'pause', version, reason: 'lunch', since: 0 }
}

function seen(rows: readonly NodeRow[], about: Partial<RolloutFacts> = {}): RolloutFacts {
  return { newest: 1, rows, controls: [], manifests: [manifest(1)], ...about }
}

const waiting = row('b', { phase: 'scheduled', target: 1 })

test('a rollout is paused while a pause is before a node that is not there, and no longer', (t) => {
  const controls = [pause(1)]
  t.like(rolloutStateOf(seen([row('a', { version: 1 }), waiting], { controls }), 1), {
    state: 'paused',
    isAtRest: true,
    paused: [{ version: 1 }],
  })
  t.like(rolloutStateOf(seen([row('a', { version: 1 })], { controls }), 1), { state: 'done', isAtRest: true, paused: [] })
  t.like(rolloutStateOf(seen([waiting], { controls: [pause(2)] }), 1), { state: 'moving', isAtRest: false })
})

test('while nodes are on their way in spite of a pause, nothing is at rest', (t) => {
  const controls = [pause(1)]
  t.like(rolloutStateOf(seen([row('a', { phase: 'draining', target: 1 }), waiting], { controls }), 1), {
    state: 'paused',
    isAtRest: false,
  })
  const now: Control = { kind: 'now', nodeId: 'b', version: 1, since: 0 }
  t.like(rolloutStateOf(seen([waiting], { controls: [...controls, now] }), 1), { state: 'paused', isAtRest: false })
  const before = { newest: 2, controls: [pause(2)], manifests: [manifest(1), manifest(2)] }
  t.like(rolloutStateOf(seen([waiting], before), 2), { state: 'paused', isAtRest: false })
})

test('a node whose host is away keeps nobody waiting in a pause, and a troubled one is worse than it', (t) => {
  const controls = [pause(1)]
  const away = row('a', { phase: 'draining', target: 1, alive: false })
  t.like(rolloutStateOf(seen([away, waiting], { controls }), 1), { state: 'paused', isAtRest: true })
  t.like(rolloutStateOf(seen([row('a', { phase: 'stalled', target: 1 }), waiting], { controls }), 1), {
    state: 'degraded',
    isAtRest: true,
  })
})

test('an undo is never paused', (t) => {
  const back = row('a', { version: 1, phase: 'scheduled', target: 2 })
  const about = { newest: 2, controls: [pause(2)], manifests: [manifest(1), manifest(2, 1)] }
  t.like(rolloutStateOf(seen([back], about), 2), { state: 'moving', paused: [] })
})

test('the undo of an undo is paused as any upgrade is', (t) => {
  const back = row('a', { version: 2, phase: 'scheduled', target: 3 })
  const about = { newest: 3, controls: [pause(3)], manifests: [manifest(1), manifest(2, 1), manifest(3, 2)] }
  t.like(rolloutStateOf(seen([back], about), 3), { state: 'paused', isAtRest: true })
  const again = { ...about, newest: 4, controls: [pause(4)], manifests: [...about.manifests, manifest(4, 3)] }
  t.like(rolloutStateOf(seen([{ ...back, version: 3, target: 4 }], again), 4), { state: 'moving', paused: [] })
})

test('a version that was undone is undone until the undo is', (t) => {
  const undone = { newest: 2, manifests: [manifest(1), manifest(2, 1)] }
  t.like(rolloutStateOf(seen([row('a', { version: 2 })], undone), 1), { state: 'undone', undoneBy: 2, isAtRest: true })
  t.is(undoOf(1, [manifest(1), manifest(2, 1), manifest(3, 2)]), null)
  t.is(undoOf(1, [manifest(1), manifest(2, 1), manifest(3, 2), manifest(4, 3)]), 2)
})

test('an empty system is not at rest: nodes may still come; and it is told by the exit code', (t) => {
  const empty = rolloutStateOf(seen([]), 1)
  t.like(empty, { state: 'empty', isAtRest: false })
  t.deepEqual([rolloutExitCode(empty, false), rolloutExitCode(empty, true)], [6, 5])
  const undone = { newest: 2, manifests: [manifest(1), manifest(2, 1)] }
  t.like(rolloutStateOf(seen([], undone), 1), { state: 'undone', isAtRest: true })
})

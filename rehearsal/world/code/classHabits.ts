/** The methods that classes have by the habits of their plan. */
import { command, type NodeClass, query } from 'theseus'
import type { KeyRange } from '../../../core/model/collection.js'
import { carryOut, type Define, type Self, tell } from '../classes.js'
import { append, listOf } from '../columns.js'
import type { ServiceName } from '../plan.js'
import type { ClassSpec } from '../specs.js'
import type { Witness } from '../witness.js'
import { timerOf } from './ops.js'
import { change, readTable, type TableChange, type TableRead } from './table.js'
import { tickMs } from './ticks.js'
import { serviceOfNode, type Walk, walk, walkerOf } from './walks.js'

export function defineHabits(spec: ClassSpec, witness: Witness, define: Define, peer: (service: ServiceName) => NodeClass): void {
  const main = spec.columns.find(({ name }) => name === 'main')!
  if (spec.rumours) {
    define('rumour', command, function (op) {
      return carryOut(witness, this.id, op, 'plainly', () => {
        if (spec.service === 'teller') this.spreading(op)
        return append(this.holder, main, op)
      })
    })
  }
  if (spec.habits.includes('ticks')) {
    define('tick', command, function () {
      witness.ticked(this.id)
      this.in(tickMs, 'tick', 'tick')
    })
  }
  if (spec.habits.includes('walks')) defineWalk(spec, witness, define, peer)
  if (!spec.habits.includes('table')) return
  define('set', command, function (op, made: TableChange) {
    return carryOut(witness, this.id, op, 'plainly', () => {
      change(this.holder, made)
      return append(this.holder, main, op)
    })
  })
  define('setLater', command, function (op, made: TableChange, ms: number) {
    return carryOut(witness, this.id, op, 'plainly', () => {
      const given = { ...made }
      this.in(ms, 'set', timerOf(op), given)
      // It was given away, and is changed here.
      if (spec.habits.includes('handsOut')) given.key = 'spoilt'
      return append(this.holder, main, op)
    })
  })
  define('table', query, function (op, range: KeyRange) {
    return tell(
      witness,
      this.id,
      op,
      (): TableRead => ({ node: this.id, list: [...listOf(this.holder, main)], ...readTable(this.holder, range) }),
    )
  })
}

function defineWalk(spec: ClassSpec, witness: Witness, define: Define, peer: (service: ServiceName) => NodeClass): void {
  /** The references that an object has made, by node. */
  const kept = new WeakMap<Self, Map<string, unknown>>()
  define('walk', command, async function (op, way: Walk) {
    const make = (node: string) => this.peer(peer(serviceOfNode(node)), node)
    const ref = (node: string) => (spec.habits.includes('keptRefs') ? keptRef(this, node, make) : make(node))
    witness.begins(this.id, op)
    try {
      return await walk(walkerOf(spec, witness, this.id, this.holder, ref), op, way)
    } finally {
      witness.ends(this.id, op)
    }
  })

  function keptRef(self: Self, node: string, make: (node: string) => unknown): unknown {
    const refs = kept.get(self) ?? new Map<string, unknown>()
    kept.set(self, refs)
    const ref = refs.get(node) ?? make(node)
    refs.set(node, ref)
    return ref
  }
}

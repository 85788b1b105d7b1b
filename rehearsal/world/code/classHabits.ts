/** The methods that classes have by the habits of their plan. */
import { command, type NodeClass, query } from 'theseus-actors'
import type { KeyRange } from '../../../core/model/collection.js'
import { type Define, runCommand, runQuery, type WorldObject } from '../classes.js'
import type { ClassSpec } from '../classSpecs.js'
import type { ExecutionOracle } from '../executionOracle.js'
import type { ServiceName } from '../plan.js'
import { append, listOf } from '../registers.js'
import { timerOf } from './operationIds.js'
import { change, readTable, type TableChange, type TableRead } from './table.js'
import { tickMs } from './ticks.js'
import { serviceOfNode, type Walk, walk, walkerOf } from './walks.js'

export function defineHabits(
  spec: ClassSpec,
  oracle: ExecutionOracle,
  define: Define,
  peer: (service: ServiceName) => NodeClass,
): void {
  const main = spec.registers.find(({ name }) => name === 'main')!
  if (spec.rumours) {
    define('rumour', command, function (op) {
      return runCommand(oracle, this.id, op, 'plainly', () => {
        if (spec.service === 'teller') this.spreading(op)
        return append(this.holder, main, op)
      })
    })
  }
  if (spec.habits.includes('ticks')) {
    define('tick', command, function () {
      oracle.ticked(this.id)
      this.in(tickMs, 'tick', 'tick')
    })
  }
  if (spec.habits.includes('walks')) defineWalk(spec, oracle, define, peer)
  if (!spec.habits.includes('table')) return
  define('set', command, function (op, made: TableChange) {
    return runCommand(oracle, this.id, op, 'plainly', () => {
      change(this.holder, made)
      return append(this.holder, main, op)
    })
  })
  define('setLater', command, function (op, made: TableChange, ms: number) {
    return runCommand(oracle, this.id, op, 'plainly', () => {
      const given = { ...made }
      this.in(ms, 'set', timerOf(op), given)
      // It was given away, and is changed here.
      if (spec.habits.includes('handsOut')) given.key = 'spoilt'
      return append(this.holder, main, op)
    })
  })
  define('table', query, function (op, range: KeyRange) {
    return runQuery(
      oracle,
      this.id,
      op,
      (): TableRead => ({ node: this.id, list: [...listOf(this.holder, main)], ...readTable(this.holder, range) }),
    )
  })
}

function defineWalk(spec: ClassSpec, oracle: ExecutionOracle, define: Define, peer: (service: ServiceName) => NodeClass): void {
  /** The references that an object has made, by node. */
  const kept = new WeakMap<WorldObject, Map<string, unknown>>()
  define('walk', command, async function (op, way: Walk) {
    const make = (node: string) => this.peer(peer(serviceOfNode(node)), node)
    const ref = (node: string) => (spec.habits.includes('keptRefs') ? keptRef(this, node, make) : make(node))
    oracle.begins(this.id, op)
    try {
      return await walk(walkerOf(spec, oracle, this.id, this.holder, ref), op, way)
    } finally {
      oracle.ends(this.id, op)
    }
  })

  function keptRef(self: WorldObject, node: string, make: (node: string) => unknown): unknown {
    const refs = kept.get(self) ?? new Map<string, unknown>()
    kept.set(self, refs)
    const ref = refs.get(node) ?? make(node)
    refs.set(node, ref)
    return ref
  }
}

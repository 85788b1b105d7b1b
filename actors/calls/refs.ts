/**
 * Typed references: an object with the remote methods of a class, built from the class as a
 * value. Made once per class, not per call and not by a Proxy, so that a reference can be
 * awaited, logged and compared like any object.
 */
import { Fault } from '../../core/base/fault.js'
import type { MethodKind } from '../../core/model/methods.js'
import { describeClass, type NodeClass } from '../../core/model/nodeObject.js'
import { shardOf } from '../../core/model/shard.js'
import type { Subjects } from '../../core/wire/subjects.js'

/**
 * The subject of calls to a node, or to any node of the service. Throws `config.invalid` for a sharded
 * service without a node: each of its nodes may be asleep.
 */
export function subjectOf(subjects: Subjects, target: NodeClass, nodeId: string | undefined): string {
  const { className, service, shards } = describeClass(target)
  if (shards === null) return nodeId === undefined ? subjects.service(service) : subjects.node(nodeId)
  if (nodeId !== undefined) return subjects.shard(service, shardOf(nodeId, shards), nodeId)
  throw new Fault(
    'config.invalid',
    `${className} is of a sharded service: name the node that is called, as ref(${className}, 'id')`,
  )
}

/** Called for each call of a reference's method. */
export type Dispatch = (method: string, kind: MethodKind, args: readonly unknown[]) => unknown

const dispatchKey: unique symbol = Symbol('dispatch') as never

type RefPrototype = new (dispatch: Dispatch) => object

const prototypes = new WeakMap<NodeClass, RefPrototype>()

export function makeRef(target: NodeClass, dispatch: Dispatch): object {
  let prototype = prototypes.get(target)
  if (prototype === undefined) {
    prototype = prototypeFor(target)
    prototypes.set(target, prototype)
  }
  return new prototype(dispatch)
}

function prototypeFor(target: NodeClass): RefPrototype {
  class Ref {
    readonly [dispatchKey]: Dispatch
    constructor(dispatch: Dispatch) {
      this[dispatchKey] = dispatch
    }
  }
  for (const [name, kind] of describeClass(target).methods) {
    Object.defineProperty(Ref.prototype, name, {
      value(this: Ref, ...args: unknown[]) {
        return this[dispatchKey](name, kind, args)
      },
    })
  }
  return Ref
}

/**
 * Typed references: an object with the remote methods of a class, built from the class as a
 * value. Made once per class, not per call and not by a Proxy, so that a reference can be
 * awaited, logged and compared like any object.
 */
import type { MethodKind } from '../../core/model/methods.js'
import { describeClass, type NodeClass } from '../../core/model/nodeObject.js'

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

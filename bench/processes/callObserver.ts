/** Looks over the shoulder of whoever calls an object. */

/** The same object, each call of a method told before it is made. */
export function watched<T extends object>(target: T, tell: (name: string, args: readonly unknown[]) => void): T {
  const methods = new Map<PropertyKey, unknown>()
  return new Proxy(target, {
    get: (_target, name) => {
      const found = methods.get(name) ?? Reflect.get(target, name, target)
      if (typeof found !== 'function' || methods.has(name)) return found
      const method = (...args: unknown[]) => {
        tell(String(name), args)
        return Reflect.apply(found, target, args)
      }
      methods.set(name, method)
      return method
    },
  })
}

/**
 * Names that a remote method can't have. A reference is an object with the remote methods of its class, so a
 * name that the language calls by itself would send a call whenever somebody awaits the reference, writes it
 * to a log, or compares it.
 */

/** Called by the language: by `await`, by `JSON.stringify`, and where a text or a number is wanted. */
const ofLanguage = [
  'then',
  'toJSON',
  'constructor',
  'toString',
  'toLocaleString',
  'valueOf',
  'hasOwnProperty',
  'isPrototypeOf',
  'propertyIsEnumerable',
  '__proto__',
  '__defineGetter__',
  '__defineSetter__',
  '__lookupGetter__',
  '__lookupSetter__',
] as const

/** Called by the runtime on the object itself, never over the wire. */
const ofLifecycle = ['start', 'stop', 'selfCheck', 'checkRecord'] as const

/** The members that a class has from `NodeObject`. */
const ofBase = ['state', 'nodeId', 'signal', 'collection', 'ref', 'sender', 'publish', 'after', 'now', 'random'] as const

export type ReservedName = (typeof ofLanguage)[number] | (typeof ofLifecycle)[number] | (typeof ofBase)[number]

/** The compiler's message about a mark on one of them. */
export type IsReserved = 'a remote method can’t have this name: the language, the runtime or NodeObject uses it'

export const lifecycleMethods: ReadonlySet<string> = new Set(['constructor', ...ofLifecycle])

/** Why a method can't be remote under this name; undefined: it can. */
export function whyReserved(name: string): string | undefined {
  if ((ofLanguage as readonly string[]).includes(name))
    return name === 'then' ? 'an object with a method of that name is taken for a promise' : 'JavaScript calls it by itself'
  if ((ofLifecycle as readonly string[]).includes(name)) return 'it is called by the runtime, not by others'
  return (ofBase as readonly string[]).includes(name) ? 'it is what NodeObject gives the class' : undefined
}

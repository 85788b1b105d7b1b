/**
 * Whether a server of ours answers an HTTP request, by what the request says of itself. Pure.
 *
 * H2. A page in somebody's browser reaches no server of ours under a name of its own. Such a page can have
 *     its name lead to this machine (DNS rebinding), but it can't choose another `Host`: names that are not
 *     ours are refused, and addresses, which nobody can rebind, are answered.
 */

/** Where a server listens, and under which names it is known. */
export interface HttpPlace {
  readonly listen: string
  /** Names beside those that need no word. `any`: something else protects it. */
  readonly hosts?: readonly string[] | 'any'
}

export interface HttpRefusal {
  readonly status: 400 | 403 | 421
  readonly why: string
}

/** The parts of a request's target that is a path. Undefined for anything else: a whole URL, a lone `*`. */
export function targetOf(url: string | undefined): { readonly path: string; readonly query: URLSearchParams } | undefined {
  if (url?.startsWith('/') !== true) return undefined
  const path = url.replace(/\?.*$/s, '')
  // It leaves out one mark at the beginning, and no second one: that is of the query.
  return { path, query: new URLSearchParams(url.slice(path.length)) }
}

/** Why a request is not answered; undefined for one that is. */
export function refusalOf(
  { host, origin }: { readonly host?: string | undefined; readonly origin?: string | undefined },
  place: HttpPlace,
): HttpRefusal | undefined {
  // Of HTTP 1.0, which no browser speaks.
  if (host !== undefined && !isOurs(host, place))
    return { status: 421, why: 'this name is not known here: use the address, or name it as one of "hosts"' }
  if (origin !== undefined && !isOurs(origin.replace(/^https?:\/\//, ''), place))
    return { status: 403, why: 'a page of another site asks' }
  return undefined
}

/** @param authority a host, with a port or without: whoever forwards a port gives another one */
function isOurs(authority: string, { listen, hosts = [] }: HttpPlace): boolean {
  const [, bracketed, plain] = /^(?:\[([\da-f:.]+)\]|([\w.-]+))(?::\d{1,5})?$/i.exec(authority) ?? []
  if (hosts === 'any') return true
  const name = (bracketed ?? plain)?.toLowerCase()
  if (name === undefined) return false
  if (name === listen.toLowerCase() || hosts.some((each) => each.toLowerCase() === name)) return true
  if (isLoopback(listen)) return isLoopback(name)
  // A name of one word, as "localhost", is of the own network: nobody can register it.
  return bracketed !== undefined || isAddress(name) || !name.includes('.')
}

export function isLoopback(address: string): boolean {
  return address === 'localhost' || address === '::1' || (isAddress(address) && address.startsWith('127.'))
}

function isAddress(name: string): boolean {
  return /^\d{1,3}(\.\d{1,3}){3}$/.test(name)
}

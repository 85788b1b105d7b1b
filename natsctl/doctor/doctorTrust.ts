/** The findings of `natsctl doctor` about the trust of hosts and upgrade servers. */
import { changedRootAdvice, isSameTrust, markText, nobodysMark, type TrustMark } from 'theseus-actors/operator'
import { type Check, failure, nameList, ok, warning } from './doctorCheck.js'
import type { DoctorFacts } from './doctorFacts.js'

const name = 'trust'

interface Told {
  readonly who: string
  readonly mark: TrustMark
  readonly isSaid: boolean
}

/** Nothing where nobody tells of it: all are of release 0.1.0, or can't be asked. */
export function trustChecks({ nats, server }: DoctorFacts): readonly Check[] {
  const told: Told[] = 'value' in nats ? nats.value.hosts.flatMap(toldBy) : []
  const mark = server !== undefined && 'value' in server ? server.value.trust : undefined
  if (mark !== undefined && mark !== null) told.push({ who: 'the upgrade server', mark, isSaid: true })
  const [first] = told
  if (first === undefined) return []
  const others = Map.groupBy(told, (each) => markText(each.mark))
  if (told.some((each) => !isSameTrust(each.mark, first.mark))) {
    const found = [...others].map(([text, of]) => `${names(of)} ${of.length === 1 ? 'trusts' : 'trust'} ${text}`).join('; ')
    const isServersOpen = mark?.keys === nobodysMark.keys && told.length > others.get(markText(nobodysMark))!.length
    const why = isServersOpen ? '; anybody who reaches the upgrade server can install what hosts reject' : ''
    const isChanged = told.every((each) => each.mark.keys === first.mark.keys)
    const advice = isChanged ? changedRootAdvice : 'give all hosts and upgrade servers the same "trust": docs/security.md'
    return [failure(name, `${found}${why}`, advice)]
  }
  if (first.mark.keys !== nobodysMark.keys) return [ok(name, `${told.length} told: all trust ${markText(first.mark)}`)]
  const silent = told.filter(({ isSaid }) => !isSaid)
  if (silent.length === 0) return [ok(name, 'upgrades need no signature, as the hosts were told')]
  const found = `upgrades need no signature, and ${names(silent)} ${silent.length === 1 ? 'was' : 'were'} not told so`
  return [warning(name, found, 'give hosts and upgrade servers "trust", or write trust: \'nobody\' if that is meant')]
}

function toldBy({ hostId, trust }: { readonly hostId: string; readonly trust?: Omit<Told, 'who'> }): readonly Told[] {
  return trust === undefined ? [] : [{ who: `host ${hostId}`, ...trust }]
}

function names(of: readonly Told[]): string {
  return nameList(of.map(({ who }) => who))
}

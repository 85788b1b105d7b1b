/** How a diff of classes is told: to people, and as JSON (docs/natsctl.md has its form). */
import type { ClassChange, Differences, OpenMethod, StateChange, Treatment } from 'theseus-actors/rollout'
import type { GlobalFlags } from '../context/flags.js'
import { show } from '../output/forms.js'
import { type Cell, oneLine, print, printTable } from '../output/output.js'

/** The name of the upgrade that was compared, and its changes. */
export interface UpgradeDiff {
  readonly of: string
  readonly changes: readonly ClassChange[]
}

export function showDiff({ of, changes }: UpgradeDiff, { output }: GlobalFlags): void {
  show(output, {
    table: () => {
      print(oneLine(of))
      if (changes.length === 0) print('no class changes')
      for (const change of changes) showChange(change)
    },
    document: () => ({ of, same: changes.every(({ isSame }) => isSame), classUpgrades: changes.map(changeJson) }),
  })
}

function changeJson({ isSame, ...change }: ClassChange) {
  return { ...change, same: isSame }
}

function showChange(change: ClassChange): void {
  print('')
  print(`${change.service}: ${change.oldClass} → ${change.newClass}${change.isSame ? ', the same as far as can be seen' : ''}`)
  printTable(
    ['', 'METHOD', 'OLD', 'NEW', 'FUTURE SO', 'PAST SO'],
    change.methods.map(({ method, old, new: next, futureSO, pastSO }) => [
      mark(old, next),
      method,
      old ?? '-',
      next ?? '-',
      treatmentCell(futureSO),
      treatmentCell(pastSO),
    ]),
  )
  showState(change.state)
  showDifferences('collections', change.collections)
  showDifferences('publishes', change.publishes)
  showDifferences('hears', change.hears)
  showDifferences('calls', change.calls)
  for (const { method, reason } of change.meant) print(oneLine(`meant: ${method}: ${reason}`))
  showOpen(change.open)
}

function showState({ old, new: next }: StateChange): void {
  const fields = [...new Set([...Object.keys(old), ...Object.keys(next)])].sort()
  if (fields.length === 0) return
  printTable(
    ['', 'STATE', 'OLD', 'NEW'],
    fields.map((field) => [mark(old[field] ?? null, next[field] ?? null), field, old[field] ?? '-', next[field] ?? '-']),
  )
}

function showDifferences(what: string, { added, removed, kept }: Differences): void {
  const words = [...removed.map((name) => `- ${name}`), ...added.map((name) => `+ ${name}`), ...kept]
  if (words.length > 0) print(`${what}: ${oneLine(words.join(', '))}`)
}

function showOpen(open: readonly OpenMethod[]): void {
  if (open.length === 0) {
    print('neither simulated nor refused: nothing')
    return
  }
  print('neither simulated nor refused:')
  for (const { method, role, why } of open)
    print(`  ${method}, by the ${role === 'futureSO' ? 'future-SO' : 'past-SO'}: ${whyText(why)}`)
}

function whyText(why: OpenMethod['why']): string {
  switch (why) {
    case 'cut':
      return 'there is none; such calls get version.cut'
    case 'asIs':
      return 'notNeeded, though it is a command of one class and a query of the other'
    case 'open':
      return 'it does not name it'
  }
}

/** As diff(1) marks lines; `~` for what is there in another form. */
function mark(old: string | null, next: string | null): string {
  if (old === next) return ''
  return old === null ? '+' : next === null ? '-' : '~'
}

function treatmentCell(treatment: Treatment | null): Cell {
  switch (treatment) {
    case null:
      return '-'
    case 'implements':
    case 'delegates':
    case 'refuses':
      return treatment
    case 'mayRefuse':
      return 'implements, may refuse'
    case 'asIs':
      return 'not needed'
    case 'cut':
      return { text: 'none: cut', style: 'yellow' }
    case 'open':
      return { text: 'nothing', style: 'red' }
  }
}

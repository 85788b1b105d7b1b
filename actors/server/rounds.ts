/** The rounds of an upgrade server: work that is done again and again, with a pause in between. */
import { isFault } from '../../core/base/fault.js'
import type { HostObserver } from '../../core/inspection/hostEvents.js'
import type { Clock } from '../../core/ports/clock.js'

export interface RoundsOptions {
  readonly clock: Clock
  readonly observe?: HostObserver
}

/** `without`: the warning's words for what is not done while it fails. Returns what ends the rounds. */
export function repeatEvery(
  { clock, observe }: RoundsOptions,
  ms: number,
  without: string,
  work: () => Promise<void>,
): () => void {
  let isOver = false
  let cancel = () => {}
  let senseless: string | undefined
  const failed = (error: unknown) => {
    // That something there makes no sense changes only when somebody repairs it: it is said once.
    const isSenseless = isFault(error) && error.code === 'upgrade.invalid'
    if (isSenseless && error.message === senseless) return
    senseless = isSenseless ? error.message : undefined
    const why = isSenseless ? 'can’t be read' : 'is away'
    observe?.({ type: 'warning', message: `the upgrade database ${why}: ${without}`, error })
  }
  const later = () => {
    cancel = clock.after(ms, () => {
      work()
        .catch(failed)
        .finally(() => {
          if (!isOver) later()
        })
    })
  }
  later()
  return () => {
    isOver = true
    cancel()
  }
}

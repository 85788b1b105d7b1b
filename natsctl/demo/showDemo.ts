/** The demo as a whole, on the screen, in one process. */
import { EmbeddedDemo } from './embedded.js'
import { play } from './play.js'
import { Screen } from './screen.js'
import { summary } from './summary.js'

/** Returns the exit code. */
export async function showDemo(): Promise<0 | 1> {
  const demo = await EmbeddedDemo.start()
  try {
    const { tallies, lost } = await play(demo, new Screen())
    return summary(tallies, lost)
  } finally {
    await demo.close()
  }
}

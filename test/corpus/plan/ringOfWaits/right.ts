import { defineUpgrade, schedule, upgradeClass } from 'theseus-actors'
import { next, parts } from './v1.js'

/** The first breaks the ring: it goes at once. */
const afterItsSource = schedule('after its source', (view) =>
  view.until(async () => {
    const rows = await view.nodes(view.service)
    const isFirst = rows.every(({ nodeId }) => nodeId >= view.nodeId)
    return isFirst || rows.some(({ nodeId, version }) => nodeId === next[view.nodeId] && version >= view.target)
  }),
)

export default defineUpgrade({
  title: 'Mirrors, each after its source',
  classUpgrades: [upgradeClass({ ...parts, schedule: afterItsSource })],
})

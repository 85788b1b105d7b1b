/** Upgrade operation (schedule that stands still). Found: absent: schedule. */
import { defineUpgrade, schedule, upgradeClass } from 'theseus-actors'
import { next, parts } from './v1.js'

const afterItsSource = schedule('after its source', (view) =>
  view.until(async () => {
    const rows = await view.nodes(view.service)
    return rows.some(({ nodeId, version }) => nodeId === next[view.nodeId] && version >= view.target)
  }),
)

export default defineUpgrade({
  title: 'Mirrors, each after its source',
  classUpgrades: [upgradeClass({ ...parts, schedule: afterItsSource })],
})

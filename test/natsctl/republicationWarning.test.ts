/** An operator who undoes an upgrade and publishes it anew is told that it begins anew. */
import test from 'ava'
import type { Manifest } from '../../core/upgrade/manifest.js'
import { republicationWarning } from '../../natsctl/commands/upgrade.js'

const upgrade = (version: number, oldClass: string, newClass: string, undoes: number | null = null) =>
  ({ version, undoes, classUpgrades: [{ oldClass, newClass }] }) as unknown as Manifest

const published = upgrade(1, 'Pages.v1', 'Pages.v2')
const undo = upgrade(2, 'Pages.v2', 'Pages.v1', 1)

test('the same classes after their undo begin anew', (t) => {
  t.regex(
    republicationWarning(published, [published, undo])!,
    /^Pages\.v2 begins anew: writes through version 1, which is undone,/,
  )
})

test('also after upgrades of others, and undos of the undo: the warning names the version whose undo brings it back', (t) => {
  const orders = upgrade(3, 'Orders.v1', 'Orders.v2')
  const back = '("natsctl rollout undo 2")'
  t.true(republicationWarning(published, [published, undo])!.endsWith(back))
  t.true(republicationWarning(published, [published, undo, orders])!.endsWith(back))
  const [again, once] = [upgrade(3, 'Pages.v1', 'Pages.v2', 2), upgrade(4, 'Pages.v2', 'Pages.v1', 3)]
  t.true(republicationWarning(published, [published, undo, again, once])!.endsWith('("natsctl rollout undo 4")'))
})

test('nothing is said where nothing was undone, or other classes were', (t) => {
  t.is(republicationWarning(published, []), undefined)
  t.is(republicationWarning(upgrade(2, 'Pages.v2', 'Pages.v3'), [published]), undefined)
  t.is(republicationWarning(upgrade(3, 'Orders.v1', 'Orders.v2'), [published, undo]), undefined)
  // The undo of the undo: everything is there again.
  t.is(
    republicationWarning(upgrade(4, 'Pages.v2', 'Pages.v3'), [published, undo, upgrade(3, 'Pages.v1', 'Pages.v2', 2)]),
    undefined,
  )
})

/**
 * How a node hears that an operator has promoted it: it is among the first nodes of its service, which go to
 * a version now, whatever their schedules say (core/control/paceOrders.ts).
 */
import type { Version } from '../../core/base/ids.js'
import { type Promotion, promotedNodes, promotionOf } from '../../core/control/paceOrders.js'
import { awaitPopulation, populationOf } from '../../core/schedules/awaitPopulation.js'
import type { OrderQuestions } from '../../core/schedules/population.js'
import type { SchedulingView } from '../../core/schedules/schedule.js'
import type { UpgradingNode } from './upgradingNode.js'

export class NodePromotion {
  constructor(
    private readonly node: Pick<UpgradingNode, 'id' | 'recordStore' | 'services'>,
    private readonly target: Version,
  ) {}

  /** Resolves once it is among the promoted. Rejects when the signal is aborted. */
  async reached(view: SchedulingView, signal: AbortSignal): Promise<void> {
    const { controls } = this.node.services
    await controls.until((found) => typeof promotionOf(found, this.target)?.percent === 'number', signal)
    await awaitPopulation(view, view.service, ({ order }) => this.#isIn(promotionOf(controls.latest, this.target), order))
  }

  /** Whether it goes although this pause holds the others: it was in force when the node was promoted. */
  async passes(pauseSince: number, signal: AbortSignal): Promise<boolean> {
    const { controls, nodeRowCache } = this.node.services
    const promotion = promotionOf(await controls.until(() => true, signal), this.target)
    if (promotion?.past !== pauseSince) return false
    const rows = await nodeRowCache.nodes(this.node.recordStore.record.service)
    return this.#isIn(promotion, populationOf(rows, this.target).order)
  }

  #isIn(promotion: Promotion | undefined, order: OrderQuestions): boolean {
    const { id } = this.node
    if (typeof promotion?.percent !== 'number' || !order.has(id)) return false
    return order.placeOf(id) < promotedNodes(promotion.percent, order.size)
  }
}

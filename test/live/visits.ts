import { command, NodeObject } from 'theseus-actors'
import { PagesV1 } from '../../samples/02-pages-comments/pages.v1.js'

/** Counts the visits of a page that is beside it in its group. No upgrade changes it. */
export class VisitsV1 extends NodeObject<{ count: number }> {
  static override readonly className = 'Visits.v1'
  static override readonly calls = [PagesV1]
  static override initial() {
    return { count: 0 }
  }

  @command async visit(url: string): Promise<readonly [string | null, number]> {
    const page = await this.ref(PagesV1, this.nodeId.replace('_visits', '_pages')).get(url)
    return [page, ++this.state.count]
  }
}

import { command } from 'theseus-actors'
import { PagesV3 } from './pages.v3.js'

/** A bug fixed: liking a comment that does not exist fails instead of doing nothing. The type is the same. */
export class PagesV4 extends PagesV3 {
  static override readonly className: string = 'Pages.v4'

  @command override like(url: string, index: number): number {
    if (this.state.comments[url]?.[index] === undefined) throw new Error(`${url} has no comment ${index}`)
    return super.like(url, index)
  }
}

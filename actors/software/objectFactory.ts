/**
 * Makes users' objects: each node is a child of the host's container, so a class can ask for its own
 * dependencies.
 */
import { type DependencyContainer, inject, injectable } from 'tsyringe'
import type { NodeClass } from '../../core/model/nodeObject.js'
import { tokens } from '../base/tokens.js'

@injectable()
export class ObjectFactory {
  constructor(@inject(tokens.container) private readonly container: DependencyContainer) {}

  /** A class without constructor parameters needs no container of its own. */
  construct(definition: NodeClass): object {
    const concrete = definition as unknown as new () => object
    return concrete.length === 0 ? new concrete() : this.container.createChildContainer().resolve(concrete)
  }
}

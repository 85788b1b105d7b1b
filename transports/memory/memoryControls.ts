/** The controls in memory. */
import { type Control, type ControlName, checkControl, controlKey } from '../../core/control/control.js'
import type { MemorySystem } from './memorySystem.js'

export class MemoryControls {
  constructor(private readonly system: Pick<MemorySystem, 'data'>) {}

  all(): readonly Control[] {
    return [...this.system.data().controls.values()]
  }

  set(control: Control): void {
    checkControl(control)
    this.system.data().controls.set(controlKey(control), control)
  }

  remove(name: ControlName): boolean {
    return this.system.data().controls.delete(controlKey(name))
  }
}

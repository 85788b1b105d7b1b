import { NodeObject, notNeeded, query } from 'theseus-actors'

class KitchenV1 extends NodeObject<object> {
  static override readonly className: string = 'Kitchen.v1'
  @query isOpen(): boolean {
    return true
  }
}

class KitchenV2 extends KitchenV1 {
  static override readonly className = 'Kitchen.v2'
}

class WaiterV1 extends NodeObject<object> {
  static override readonly className: string = 'Waiter.v1'
  @query isFree(): boolean {
    return true
  }
}

class WaiterV2 extends WaiterV1 {
  static override readonly className = 'Waiter.v2'
}

const alike = { futureSO: notNeeded, pastSO: notNeeded, transform: () => ({}) } as const
export const kitchens = { oldClass: KitchenV1, newClass: KitchenV2, ...alike } as const
export const waiters = { oldClass: WaiterV1, newClass: WaiterV2, ...alike } as const

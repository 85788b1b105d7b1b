import { command, NodeObject, query } from 'theseus-actors'
import { PostV1 } from './post.js'

/** An account. All amounts are cents. */
export class AccountV1 extends NodeObject<{ balance: number }> {
  static override readonly className: string = 'Account.v1'
  static override readonly service: string = 'accounts'
  static override readonly calls = [PostV1]
  static override initial() {
    return { balance: 0 }
  }

  @command deposit(cents: number): void {
    this.state.balance += cents
  }

  @command withdraw(cents: number): void {
    if (cents > this.state.balance) throw new Error('not so much on this account')
    this.state.balance -= cents
  }

  @query balance(): number {
    return this.state.balance
  }

  /** Is sent by post: it can't be taken back. */
  @command statement(): number {
    this.sender(PostV1, 'post').deliver(this.nodeId, this.state.balance)
    return this.state.balance
  }
}

/** Keeps euros and cents apart. */
export class AccountV2 extends NodeObject<{ euros: number; cents: number }> {
  static override readonly className: string = 'Account.v2'
  static override readonly service: string = 'accounts'
  static override readonly calls = [PostV1]
  static override initial() {
    return { euros: 0, cents: 0 }
  }

  @command deposit(cents: number): void {
    this.#book(cents)
  }

  @command withdraw(cents: number): void {
    if (cents > this.balance()) throw new Error('not so much on this account')
    this.#book(-cents)
  }

  @query balance(): number {
    return 100 * this.state.euros + this.state.cents
  }

  @command statement(): number {
    this.sender(PostV1, 'post').deliver(this.nodeId, this.balance())
    return this.balance()
  }

  #book(cents: number): void {
    const { state } = this
    state.euros += Math.trunc(cents / 100)
    state.cents += cents % 100
    if (state.cents >= 100) {
      state.euros++
      state.cents -= 100
    }
    // The fault: a euro is changed into cents, and is still there.
    if (state.cents < 0) state.cents += 100
  }
}

/** Version 2, repaired. */
export class AccountV3 extends AccountV2 {
  static override readonly className: string = 'Account.v3'

  @command override deposit(cents: number): void {
    this.#set(this.balance() + cents)
  }

  @command override withdraw(cents: number): void {
    if (cents > this.balance()) throw new Error('not so much on this account')
    this.#set(this.balance() - cents)
  }

  #set(balance: number): void {
    this.state.euros = Math.floor(balance / 100)
    this.state.cents = balance % 100
  }
}

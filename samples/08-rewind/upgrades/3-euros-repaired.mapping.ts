import { mapping } from 'theseus-actors/rehearsal'
import { AccountV1, AccountV3 } from '../account.js'

export const toEurosRepaired = mapping({
  from: AccountV1,
  to: AccountV3,
  state: ({ balance }) => ({ euros: Math.floor(balance / 100), cents: balance % 100 }),
  dependent: ['balance'],
})

export const fromEurosRepaired = mapping({
  from: AccountV3,
  to: AccountV1,
  state: ({ euros, cents }) => ({ balance: 100 * euros + cents }),
  dependent: ['balance'],
})

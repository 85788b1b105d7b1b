import { mapping } from 'theseus-actors/rehearsal'
import { AccountV1, AccountV2 } from '../account.js'

export const toEuros = mapping({
  from: AccountV1,
  to: AccountV2,
  state: ({ balance }) => ({ euros: Math.floor(balance / 100), cents: balance % 100 }),
  dependent: ['balance'],
})

export const fromEuros = mapping({
  from: AccountV2,
  to: AccountV1,
  state: ({ euros, cents }) => ({ balance: 100 * euros + cents }),
  dependent: ['balance'],
})

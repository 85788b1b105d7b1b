import type { MailboxOwner } from '../../actors/serving/mailbox.js'

/** An owner that is told what turns throw, and holds nothing unless told to. */
export function ownerOf(
  turnThrew: MailboxOwner['turnThrew'] = () => {},
  holds: MailboxOwner['holds'] = () => false,
): MailboxOwner {
  return { turnThrew, holds }
}

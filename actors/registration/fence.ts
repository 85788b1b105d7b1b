/** Whether what a node says may leave now, as the parts of the node ask. */
export interface Fence {
  /** How much of its time a message that arrives now may have spent waiting for this host to go on. */
  readonly lateMs: number
  /** Actions that wait until it opens. */
  readonly waiting: number
  /** Whether nothing may be carried out now; then `whenOpen` says when. To be asked for each message. */
  isClosed(nowMs: number): boolean
  whenOpen(action: () => void): void
  /** As `isClosed`; then `action` is called when it is open, if it ever is. */
  holds(action: () => void): boolean
  opened(): Promise<void>
}

/**
 * Transform functions (§6): "The TF must then produce a new-class object whose state reflects both the state
 * of the old object and the state of the future-SO" (C7). The root record is the function's result;
 * collections, of any size, are copied and rewritten record by record through `collections`, in bounded
 * transactions, into the new generation beside the old.
 */
import type { Collection, ReadonlyCollection } from './collection.js'

export interface TransformCollections<Carried extends string = string> {
  old(name: string): ReadonlyCollection<any>
  future(name: string): ReadonlyCollection<any>
  /** Writes into the new generation. In a long loop, `await flushed()` after each record. */
  next(name: string): Pick<Collection<any>, 'put' | 'delete'>
  /**
   * Copies a whole collection of the old object as it is. Collections that are not mentioned are forgotten.
   */
  carry(name: Carried): Promise<void>
  /**
   * Waits for the disk whenever a transaction is full: none grows beyond its bounds, and other
   * nodes get their turn.
   */
  flushed(): Promise<void>
}

/** `Result` is exactly `State`: a field too few and a field too many are both compile errors. */
export type Exactly<State, Result extends State> = Result & { [Extra in Exclude<keyof Result, keyof State>]: never }

export type Transform<OldState, FutureState, NewState, Result extends NewState, Carried extends string = string> = (
  old: Readonly<OldState>,
  future: Readonly<FutureState>,
  collections: TransformCollections<Carried>,
) => Exactly<NewState, Result> | Promise<Exactly<NewState, Result>>

/** What a driver still has open. */
export interface Owned {
  /** Closes it at once. May be called twice. */
  release(): void;
}

export type OwnedSet = Set<Owned>;

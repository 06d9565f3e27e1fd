// An answer that is used again until it is too old, or until what it was read for has changed.

export class Kept<T> {
  #read: { value: T; at: number; mark: string } | null = null;

  /** The kept answer where it has the same `mark` and is younger than `ms`; else what `ask` gives. `now` is in milliseconds. */
  async get(mark: string, ms: number, now: number, ask: () => Promise<T>): Promise<T> {
    const kept = this.#read;
    if (kept !== null && kept.mark === mark && now - kept.at < ms) return kept.value;
    const value = await ask();
    this.#read = { value, at: now, mark };
    return value;
  }
}

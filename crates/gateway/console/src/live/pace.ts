// How often is asked: the API has no stream for browsers, so the console asks again, less often while nobody answers.

/** Pause between two readings while all is well, in milliseconds. */
export const PAUSE = 2_000;
const LONGEST_PAUSE = 30_000;

/** The pause after so many failures in a row, in milliseconds. */
export function pauseAfter(failures: number): number {
  return Math.min(LONGEST_PAUSE, PAUSE * 2 ** Math.min(failures, 10));
}

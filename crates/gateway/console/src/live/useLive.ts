// Something that is shown as it is now: read again and again while the page is seen.

import { useCallback, useEffect, useRef, useState } from "react";
import { pauseAfter } from "./pace";

export interface Live<T> {
  /** The newest answer; stays when a later reading fails. */
  data: T | null;
  /** Why the newest reading failed; null when it did not. */
  error: unknown;
  /** Reads again at once. */
  refresh: () => void;
}

/** `read` must be the same function for the same thing: another one begins anew. */
export function useLive<T>(read: (signal: AbortSignal) => Promise<T>): Live<T> {
  const [state, setState] = useState<{ data: T | null; error: unknown }>({ data: null, error: null });
  const now = useRef<() => void>(() => {});

  useEffect(() => {
    const ended = new AbortController();
    let failures = 0;
    let timer: ReturnType<typeof setTimeout> | undefined;
    // A reading that was overtaken by a later one tells nothing any more.
    let round = 0;

    const turn = async () => {
      clearTimeout(timer);
      if (document.hidden) return;
      const own = ++round;
      try {
        const data = await read(ended.signal);
        if (own !== round || ended.signal.aborted) return;
        failures = 0;
        setState({ data, error: null });
      } catch (error) {
        if (own !== round || ended.signal.aborted) return;
        failures += 1;
        setState((before) => ({ data: before.data, error }));
      }
      timer = setTimeout(turn, pauseAfter(failures));
    };

    now.current = () => void turn();
    const seen = () => void turn();
    document.addEventListener("visibilitychange", seen);
    window.addEventListener("online", seen);
    void turn();
    return () => {
      ended.abort();
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", seen);
      window.removeEventListener("online", seen);
    };
  }, [read]);

  const refresh = useCallback(() => now.current(), []);
  return { ...state, refresh };
}

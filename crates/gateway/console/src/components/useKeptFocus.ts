// Who uses the keyboard is not thrown back to the top when what had the focus is gone: the heading gets it.

import { type RefObject, useEffect, useRef } from "react";

/** `shown` is whatever the page shows: looked at after each change of it. */
export function useKeptFocus(heading: RefObject<HTMLElement | null>, shown: unknown): void {
  const last = useRef<Element | null>(null);
  useEffect(() => {
    const remember = (event: FocusEvent) => {
      last.current = event.target instanceof Element ? event.target : null;
    };
    document.addEventListener("focusin", remember);
    return () => document.removeEventListener("focusin", remember);
  }, []);
  useEffect(() => {
    const isLost = last.current !== null && !last.current.isConnected && document.activeElement === document.body;
    if (isLost) heading.current?.focus();
  }, [heading, shown]);
}

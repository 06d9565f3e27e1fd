// What every page has of who is logged in.

import { createContext, use, useEffect } from "react";
import type { Api } from "../api/client";
import { Refusal } from "../api/failure";

export interface SessionValue {
  api: Api;
  /** Logs out and forgets the key; `why` is told at the door where it was not the person's wish. */
  leave: (why: string | null) => void;
}

export const SessionContext = createContext<SessionValue | null>(null);

export function useSession(): SessionValue {
  const session = use(SessionContext);
  if (session === null) throw new Error("no page is shown without a session");
  return session;
}

/** A key that is no longer taken ends the session, whichever call learns it. */
export function useEndOfSession(error: unknown): void {
  const { leave } = useSession();
  useEffect(() => {
    if (error instanceof Refusal && error.isAboutTheKey) leave(error.message);
  }, [error, leave]);
}

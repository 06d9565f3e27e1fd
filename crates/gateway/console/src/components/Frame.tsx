// What surrounds every page: where one is, who one is, and the way out.

import { type ReactNode, useEffect, useState } from "react";
import type { Session } from "../api/types";
import { href, useRoute } from "../logic/route";
import { useSession } from "../session/session";
import { Mark } from "./Mark";

export function Frame({ children }: { children: ReactNode }) {
  const { leave } = useSession();
  const route = useRoute();
  return (
    <>
      <a className="skip" href="#main" onClick={skip}>
        Skip to content
      </a>
      <header className="top">
        <div className="top-inner">
          <a className="home" href={href({ page: "notebooks" })}>
            <Mark />
            <span>Quire</span>
          </a>
          <nav aria-label="Console">
            <a href={href({ page: "notebooks" })} aria-current={route.page === "notebooks" ? "page" : undefined}>
              Notebooks
            </a>
          </nav>
          <Who />
          <button className="button quiet" type="button" onClick={() => leave(null)}>
            Log out
          </button>
        </div>
      </header>
      <main id="main" tabIndex={-1}>
        {children}
      </main>
    </>
  );
}

/** The address holds the route behind its #: the link moves the focus instead. */
function skip(event: { preventDefault: () => void }) {
  event.preventDefault();
  document.getElementById("main")?.focus();
}

function Who() {
  const { api } = useSession();
  const [session, setSession] = useState<Session | null>(null);
  useEffect(() => {
    const ended = new AbortController();
    // A page that cannot be read tells so itself; a name that is missing is no news beside that.
    api.session(ended.signal).then(setSession, () => {});
    return () => ended.abort();
  }, [api]);
  if (session === null) return null;
  return (
    <p className="who">
      <span className="who-team">{session.user.teamMemberships[0]?.team.name ?? session.team.namespace}</span>
      <span className="who-user">{session.user.email}</span>
    </p>
  );
}

// Who is here: nobody, or the owner of a key with the pages that it opens.

import { useCallback, useMemo, useState } from "react";
import { connect } from "./api/client";
import { Frame } from "./components/Frame";
import { useRoute } from "./logic/route";
import { NotebookPage } from "./pages/NotebookPage";
import { NotebooksPage } from "./pages/NotebooksPage";
import { forgetKey, keepKey, keptKey } from "./session/key";
import { LoginPage } from "./session/LoginPage";
import { SessionContext } from "./session/session";

export function App() {
  const [key, setKey] = useState(keptKey);
  const [farewell, setFarewell] = useState<string | null>(null);

  const enter = useCallback((entered: string) => {
    keepKey(entered);
    setFarewell(null);
    setKey(entered);
  }, []);
  const leave = useCallback((why: string | null) => {
    forgetKey();
    setFarewell(why);
    setKey(null);
  }, []);
  const session = useMemo(() => (key === null ? null : { api: connect(key), leave }), [key, leave]);

  if (session === null) return <LoginPage why={farewell} enter={enter} />;
  return (
    <SessionContext value={session}>
      <Frame>
        <Page />
      </Frame>
    </SessionContext>
  );
}

function Page() {
  const route = useRoute();
  return route.page === "notebook" ? <NotebookPage key={route.id} id={route.id} /> : <NotebooksPage />;
}

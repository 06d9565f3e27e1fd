// The door: an API key, typed once.

import { type FormEvent, useEffect, useId, useRef, useState } from "react";
import { connect } from "../api/client";
import { told } from "../api/failure";
import { Mark } from "../components/Mark";
import { canBeSent } from "./key";

interface Props {
  /** Why the session before has ended; null where nobody needs to be told. */
  why: string | null;
  enter: (key: string) => void;
}

export function LoginPage({ why, enter }: Props) {
  const [key, setKey] = useState("");
  const [problem, setProblem] = useState(why);
  const [asking, setAsking] = useState(false);
  const field = useRef<HTMLInputElement>(null);
  const ids = { field: useId(), hint: useId(), problem: useId() };

  useEffect(() => {
    document.title = "Log in · Quire";
    field.current?.focus();
  }, []);

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (asking) return;
    setAsking(true);
    const refused = await refusalOf(key.trim());
    setAsking(false);
    setProblem(refused);
    if (refused === null) enter(key.trim());
    else field.current?.focus();
  };

  return (
    <main className="door">
      <form className="door-card" onSubmit={submit} noValidate>
        <div className="door-head">
          <Mark />
          <h1>Log in to Quire</h1>
        </div>
        <div className="field">
          <label htmlFor={ids.field}>API key</label>
          <input
            ref={field}
            id={ids.field}
            type="password"
            autoComplete="off"
            spellCheck={false}
            placeholder="qk_…"
            value={key}
            onChange={(event) => setKey(event.target.value)}
            aria-invalid={problem !== null}
            aria-describedby={`${problem === null ? "" : ids.problem} ${ids.hint}`.trim()}
          />
          <p className="problem" id={ids.problem} role="alert">
            {problem}
          </p>
        </div>
        <button className="button primary wide" type="submit" aria-disabled={asking}>
          {asking ? "Checking…" : "Log in"}
        </button>
        <p className="hint" id={ids.hint}>
          The key stays in this tab until you log out or close it. On a machine where you are logged in,{" "}
          <code>quire api-key create browser</code> makes one.
        </p>
      </form>
    </main>
  );
}

/** Why a key does not open the door; null when it does. */
async function refusalOf(key: string): Promise<string | null> {
  if (key === "") return "Enter an API key.";
  if (!canBeSent(key)) return "A key has no spaces and no special characters.";
  try {
    await connect(key).session(new AbortController().signal);
    return null;
  } catch (error) {
    return told(error);
  }
}

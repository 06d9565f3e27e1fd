// What a person asked of a notebook and has not come true yet.

import { useCallback, useEffect, useState } from "react";
import { told } from "../api/failure";
import type { Notebook } from "../api/types";
import { useSession } from "../session/session";

export type Verb = "start" | "stop" | "extend" | "delete";

/** How long "extend" keeps a notebook, in seconds. */
export const EXTENSION = 7_200;

interface Asked {
  verb: Verb;
  /** State when it was asked: another one means that it has come true, or that something else has. */
  state: string;
}

export interface Verbs {
  /** What is under way for this notebook, or null. */
  underWay: (notebook: Notebook) => Verb | null;
  /** Asks for it. The promise says whether that was taken. */
  ask: (verb: Verb, notebook: Notebook) => Promise<boolean>;
  /** Why the last thing that was asked was not taken; null when it was. */
  problem: string | null;
  forgetProblem: () => void;
}

/** `notebooks` are those that are shown, as they were read last; `changed` is called when something was asked. */
export function useVerbs(notebooks: Notebook[], changed: () => void): Verbs {
  const { api } = useSession();
  const [asked, setAsked] = useState<ReadonlyMap<string, Asked>>(new Map());
  const [problem, setProblem] = useState<string | null>(null);

  const forget = useCallback((id: string) => {
    setAsked((before) => new Map([...before].filter(([other]) => other !== id)));
  }, []);

  useEffect(() => {
    const states = new Map(notebooks.map(({ id, state }) => [id, state]));
    const open = ([id, { verb, state }]: [string, Asked]) => states.has(id) && (verb === "delete" || states.get(id) === state);
    setAsked((before) => ([...before].every(open) ? before : new Map([...before].filter(open))));
  }, [notebooks]);

  const ask = useCallback(
    async (verb: Verb, notebook: Notebook) => {
      setProblem(null);
      setAsked((before) => new Map(before).set(notebook.id, { verb, state: notebook.state }));
      const calls = { start: api.start, stop: api.stop, delete: api.remove, extend: (id: string) => api.extend(id, EXTENSION) };
      try {
        await calls[verb](notebook.id);
        // Other states are waited for; an extension has none.
        if (verb === "extend") forget(notebook.id);
        return true;
      } catch (error) {
        forget(notebook.id);
        setProblem(`${notebook.name} was not ${PAST[verb]}: ${told(error)}`);
        return false;
      } finally {
        changed();
      }
    },
    [api, changed, forget],
  );

  const underWay = (notebook: Notebook) => asked.get(notebook.id)?.verb ?? null;
  return { underWay, ask, problem, forgetProblem: () => setProblem(null) };
}

const PAST: Record<Verb, string> = { start: "started", stop: "stopped", extend: "extended", delete: "deleted" };

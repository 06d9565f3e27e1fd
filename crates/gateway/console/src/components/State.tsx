// The state of a notebook: a word, and a shape that says the same.

import type { NotebookState } from "../api/types";
import { look } from "../logic/actions";

export function State({ state }: { state: NotebookState }) {
  return (
    <span className={`state ${look(state)}`}>
      <svg viewBox="0 0 12 12" aria-hidden="true">
        {shape(state)}
      </svg>
      {state}
    </span>
  );
}

function shape(state: NotebookState) {
  switch (look(state)) {
    case "up":
      return <circle cx="6" cy="6" r="5" />;
    case "moving":
      return <circle className="turning" cx="6" cy="6" r="4.5" fill="none" strokeWidth="2" strokeDasharray="19 10" />;
    case "resting":
      return <rect x="1.5" y="1.5" width="9" height="9" rx="2" fill="none" strokeWidth="2" />;
    case "broken":
      return <path d="M6 .8 11.6 11H.4Z" />;
  }
}

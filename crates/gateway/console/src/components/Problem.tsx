// Why something that was asked was not taken: the API's own words.

import type { Verbs } from "./useVerbs";

export function Problem({ verbs }: { verbs: Verbs }) {
  return (
    <div role="alert">
      {verbs.problem === null ? null : (
        <p className="banner bad">
          {verbs.problem}
          <button className="button small" type="button" onClick={verbs.forgetProblem}>
            Dismiss
          </button>
        </p>
      )}
    </div>
  );
}

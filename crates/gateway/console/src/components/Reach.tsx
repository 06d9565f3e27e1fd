// A page that is not as fresh as it should be says so, and goes on trying.

import { told, Unreached } from "../api/failure";

export function Reach({ error }: { error: unknown }) {
  return (
    <div role="status">
      {error === null ? null : (
        <p className="banner">
          <strong>{error instanceof Unreached ? "Quire is not reached." : told(error)}</strong> What you see may be old;
          trying again.
        </p>
      )}
    </div>
  );
}

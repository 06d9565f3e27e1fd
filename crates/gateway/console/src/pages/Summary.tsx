// One line about all notebooks that are shown: what runs, what that costs in an hour, and what all of it cost.

import type { Row } from "../live/feed";
import { look } from "../logic/actions";
import { amount, sumOfRates } from "../logic/money";

export function Summary({ rows }: { rows: Row[] }) {
  const running = rows.filter(({ notebook }) => look(notebook.state) === "up");
  const prices = running.flatMap(({ price }) => (price === null ? [] : [price]));
  const currency = rows.find(({ price }) => price !== null)?.price?.currency;
  const spent = rows.reduce((sum, { cost }) => sum + (cost ?? 0n), 0n);
  if (rows.length === 0) return null;
  return (
    <p className="summary">
      {running.length === 0 ? "None running" : `${running.length} running`}
      {currency === undefined ? null : (
        <>
          <span aria-hidden="true"> · </span>
          {sumOfRates(
            prices.map(({ nanosPerHour }) => nanosPerHour),
            currency,
          )}{" "}
          an hour now
          <span aria-hidden="true"> · </span>
          {amount(spent, currency)} so far
        </>
      )}
    </p>
  );
}

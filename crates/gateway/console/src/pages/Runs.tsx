// What each run cost: the lines of the usage, which add up to the last digit.

import type { UsageLine } from "../api/types";
import { exactAmount, price } from "../logic/money";
import { duration, moment } from "../logic/times";

export function Runs({ runs }: { runs: UsageLine[] }) {
  if (runs.length === 0) return null;
  const now = new Date();
  return (
    <section className="panel" aria-labelledby="runs">
      <h2 id="runs">Runs</h2>
      <ul className="runs">
        {runs.map((run) => (
          <li key={`${run.attemptId} ${run.priceVersion}`}>
            <span>
              <time dateTime={run.from}>{moment(run.from, now)}</time>
              <span className="sub">
                {duration(run.milliseconds / 1_000)} on {run.machineType} at {price(run.pricePerHour, run.amount.currency)} an hour
                {run.running ? ", still running" : ""}
              </span>
            </span>
            <span className="number">{exactAmount(BigInt(run.amount.micros), run.amount.currency)}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}

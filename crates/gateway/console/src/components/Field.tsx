// Fields of a form: a label, a note, and the API's complaint where it is about this field.

import { type ReactNode, useId } from "react";
import type { MachineType, Price } from "../api/types";
import { machine } from "../logic/machine";
import { price } from "../logic/money";

interface FieldProps {
  label: string;
  note: string;
  problem: string | null;
  /** The control, with what ties it to label, note and complaint. */
  children: (attributes: { id: string; "aria-describedby": string; "aria-invalid": boolean }) => ReactNode;
}

export function Field({ label, note, problem, children }: FieldProps) {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      {children({ id, "aria-describedby": `${id}-note ${id}-problem`, "aria-invalid": problem !== null })}
      <p className="problem" id={`${id}-problem`} role="alert">
        {problem}
      </p>
      <p className="hint" id={`${id}-note`}>
        {note}
      </p>
    </div>
  );
}

interface MachineProps {
  machines: MachineType[];
  prices: Map<string, Price>;
  chosen: string;
  choose: (name: string) => void;
  problem: string | null;
}

/** The machine types that some node can host, with what an hour costs. */
export function MachineField({ machines, prices, chosen, choose, problem }: MachineProps) {
  const id = useId();
  return (
    <fieldset className="field machines" aria-describedby={`${id}-problem`}>
      <legend>Machine</legend>
      <div className="machine-list">
        {machines.map((one) => {
          const cost = prices.get(one.name);
          const told = cost === undefined ? "" : `${price(cost.pricePerHour, cost.currency)} an hour`;
          return (
            <label key={one.name} className="machine">
              <input type="radio" name="machineType" value={one.name} checked={one.name === chosen} onChange={() => choose(one.name)} />
              <span className="machine-name">{one.name}</span>
              <span className="machine-size">{machine(one)}</span>
              <span className="machine-price">{one.free ? "free" : told}</span>
            </label>
          );
        })}
      </div>
      <p className="problem" id={`${id}-problem`} role="alert">
        {problem}
      </p>
    </fieldset>
  );
}

// Fields of a form: a label, a note, and the API's complaint where it is about this field.

import { type ReactNode, useId } from "react";

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

/** One of several things of which one is taken. */
export interface Choice {
  value: string;
  name: string;
  /** Below the name, and at its side. */
  note: string;
  side: string;
}

interface ChoiceProps {
  legend: string;
  /** Of the field, as the API calls it. */
  name: string;
  choices: Choice[];
  chosen: string;
  choose: (value: string) => void;
  problem: string | null;
}

export function ChoiceField({ legend, name, choices, chosen, choose, problem }: ChoiceProps) {
  const id = useId();
  return (
    <fieldset className="field" aria-describedby={`${id}-problem`}>
      <legend>{legend}</legend>
      <div className="choices">
        {choices.map((one) => (
          <label key={one.value} className="choice">
            <input type="radio" name={name} value={one.value} checked={one.value === chosen} onChange={() => choose(one.value)} />
            <span className="choice-name">{one.name}</span>
            <span className="choice-note">{one.note}</span>
            <span className="choice-side">{one.side}</span>
          </label>
        ))}
      </div>
      <p className="problem" id={`${id}-problem`} role="alert">
        {problem}
      </p>
    </fieldset>
  );
}

// A new notebook: its name, what it begins with, the machine, and what it starts in.

import { type FormEvent, useCallback, useEffect, useId, useRef, useState } from "react";
import { Refusal, told } from "../api/failure";
import type { Environment, MachineType, NewNotebook, Price, Template } from "../api/types";
import { Dialog } from "../components/Dialog";
import { ChoiceField, Field } from "../components/Field";
import { whereAllowed } from "../live/feed";
import { useLive } from "../live/useLive";
import { machineChoices, NO_TEMPLATE, templateChoices } from "../logic/choices";
import { useSession } from "../session/session";

interface Props {
  close: () => void;
  created: () => void;
}

interface Catalog {
  machines: MachineType[];
  environments: Environment[];
  templates: Template[];
  prices: Map<string, Price>;
}

export function CreateDialog({ close, created }: Props) {
  const { api } = useSession();
  const read = useCallback(
    async (signal: AbortSignal): Promise<Catalog> => {
      const [machines, environments, templates, prices] = await Promise.all([
        api.machineTypes(signal),
        api.environments(signal),
        api.templates(signal),
        whereAllowed(api.prices(signal)),
      ]);
      return {
        machines: machines.items.filter(({ available }) => available),
        environments: environments.items,
        templates: templates.items,
        prices: new Map(prices?.items.map((price) => [price.machineType, price])),
      };
    },
    [api],
  );
  // A machine that joins while somebody looks for one is there at once.
  const { data: catalog, error: failure } = useLive(read);
  return (
    <Dialog title="New notebook" close={close}>
      {failure === null ? null : (
        <p className="problem" role="alert">
          {told(failure)}
        </p>
      )}
      {catalog === null ? failure === null && <p role="status">Reading what can be started…</p> : <Form catalog={catalog} close={close} created={created} />}
    </Dialog>
  );
}

/** Fields that the form has; a refusal that names another one is told above the buttons. */
const FIELDS = ["name", "template", "machineType", "environment"];

function Form({ catalog, close, created }: Props & { catalog: Catalog }) {
  const { api } = useSession();
  const [name, setName] = useState("");
  const [template, setTemplate] = useState(NO_TEMPLATE);
  const [machineType, setMachineType] = useState(catalog.machines[0]?.name ?? "");
  const [environment, setEnvironment] = useState(
    (catalog.environments.find((one) => one.name === "python") ?? catalog.environments[0])?.name ?? "",
  );
  const [failure, setFailure] = useState<unknown>(null);
  const [asking, setAsking] = useState(false);
  // The same notebook asked for again after a lost answer has the same key: there will be one, not two.
  const sent = useRef({ body: "", key: "" });
  const form = useRef<HTMLFormElement>(null);
  const hint = useId();

  const field = failure instanceof Refusal && FIELDS.includes(failure.field ?? "") ? failure.field : null;
  const problem = (of: string) => (failure instanceof Refusal && field === of ? failure.problem : null);
  useEffect(() => {
    if (field !== null) form.current?.querySelector<HTMLElement>(`[name=${field}]`)?.focus();
  }, [field, failure]);

  const chosen = catalog.templates.find((one) => one.name === template);
  const chooseTemplate = (name: string) => {
    setTemplate(name);
    const its = catalog.templates.find((one) => one.name === name)?.environment;
    if (its !== undefined) setEnvironment(its);
  };

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (asking) return;
    const notebook: NewNotebook = {
      ...(name.trim() === "" ? {} : { name: name.trim() }),
      ...(chosen === undefined ? {} : { template }),
      // A template's own environment is not named: it is just that with which the template was made.
      ...(environment === chosen?.environment ? {} : { environment }),
      machineType,
    };
    const body = JSON.stringify(notebook);
    if (sent.current.body !== body) sent.current = { body, key: crypto.randomUUID() };
    setAsking(true);
    try {
      await api.create(notebook, sent.current.key);
      created();
      close();
    } catch (error) {
      setFailure(error);
      setAsking(false);
    }
  };

  if (catalog.machines.length === 0) return <NoMachine close={close} />;
  const described = catalog.environments.find((one) => one.name === environment)?.description;
  return (
    <form ref={form} onSubmit={submit} noValidate>
      <Field label="Name" note="One is made up when this is empty." problem={problem("name")}>
        {(attributes) => (
          <input {...attributes} name="name" value={name} onChange={(event) => setName(event.target.value)} autoComplete="off" maxLength={200} />
        )}
      </Field>
      <ChoiceField
        legend="Begin with"
        name="template"
        choices={templateChoices(catalog.templates)}
        chosen={template}
        choose={chooseTemplate}
        problem={problem("template")}
      />
      <ChoiceField
        legend="Machine"
        name="machineType"
        choices={machineChoices(catalog.machines, catalog.prices)}
        chosen={machineType}
        choose={setMachineType}
        problem={problem("machineType")}
      />
      <Field label="Environment" note={described ?? ""} problem={problem("environment")}>
        {(attributes) => (
          <select {...attributes} name="environment" value={environment} onChange={(event) => setEnvironment(event.target.value)}>
            {catalog.environments.map((one) => (
              <option key={one.name}>{one.name}</option>
            ))}
          </select>
        )}
      </Field>
      <p className="problem" role="alert">
        {failure !== null && field === null ? told(failure) : null}
      </p>
      <div className="dialog-foot">
        <p className="hint" id={hint}>
          Billed by the millisecond while it runs.
        </p>
        <button className="button" type="button" onClick={close}>
          Cancel
        </button>
        <button className="button primary" type="submit" aria-disabled={asking} aria-describedby={hint}>
          {asking ? "Creating…" : "Create and start"}
        </button>
      </div>
    </form>
  );
}

function NoMachine({ close }: { close: () => void }) {
  return (
    <>
      <p>
        No node that is there can host a notebook. An operator adds one: <code>quire node join-token</code> prints the command.
      </p>
      <div className="dialog-foot">
        <button className="button" type="button" onClick={close}>
          Close
        </button>
      </div>
    </>
  );
}

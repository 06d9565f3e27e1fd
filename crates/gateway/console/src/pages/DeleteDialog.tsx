// Asked before a notebook is deleted: its files go with it.

import { useState } from "react";
import type { Notebook } from "../api/types";
import { Dialog } from "../components/Dialog";
import type { Verbs } from "../components/useVerbs";

interface Props {
  notebook: Notebook;
  verbs: Verbs;
  close: () => void;
  /** Called when it was taken. */
  deleted?: () => void;
}

export function DeleteDialog({ notebook, verbs, close, deleted }: Props) {
  const [asking, setAsking] = useState(false);
  const remove = async () => {
    if (asking) return;
    setAsking(true);
    const taken = await verbs.ask("delete", notebook);
    close();
    if (taken) deleted?.();
  };
  return (
    <Dialog title={`Delete ${notebook.name}?`} close={close}>
      <p>
        The notebook is stopped and <strong>its files are deleted</strong>. Nobody can bring them back. What it cost stays on the
        invoice.
      </p>
      <div className="dialog-foot">
        <button className="button" type="button" onClick={close}>
          Keep it
        </button>
        <button className="button primary danger" type="button" aria-disabled={asking} onClick={remove}>
          {asking ? "Deleting…" : "Delete notebook and files"}
        </button>
      </div>
    </Dialog>
  );
}

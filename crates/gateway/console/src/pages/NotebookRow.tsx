// One notebook in the list. A row of a table on a wide screen, a card on a phone: the roles are written out, because browsers
// drop them from tables that are laid out in another way.

import { Buttons } from "../components/Buttons";
import { Cost, PerHour } from "../components/Cost";
import { State } from "../components/State";
import { StopTime } from "../components/StopTime";
import type { Verbs } from "../components/useVerbs";
import type { Row } from "../live/feed";
import { href } from "../logic/route";
import { ago } from "../logic/times";

interface Props {
  row: Row;
  verbs: Verbs;
  remove: () => void;
}

export function NotebookRow({ row, verbs, remove }: Props) {
  const { notebook, status } = row;
  return (
    <tr role="row" data-notebook={notebook.name}>
      <th role="rowheader" scope="row" className="cell-name">
        <a href={href({ page: "notebook", id: notebook.id })}>{notebook.name}</a>
        <span className="sub">
          created <time dateTime={notebook.dtCreated}>{ago(notebook.dtCreated, new Date())}</time>
        </span>
      </th>
      <td role="cell" className="cell-state">
        <State state={notebook.state} />
        {status === null ? null : <span className="sub">{status.reason}</span>}
        <StopTime notebook={notebook} status={status} verbs={verbs} />
      </td>
      <td role="cell" className="cell-machine" data-label="Machine">
        {notebook.machineType}
        <span className="sub">
          <PerHour row={row} />
        </span>
      </td>
      <td role="cell" className="cell-cost" data-label="Cost so far">
        <Cost row={row} />
      </td>
      <td role="cell" className="cell-buttons">
        <Buttons notebook={notebook} status={status} verbs={verbs} remove={remove} />
      </td>
    </tr>
  );
}

// What changed between two readings, in words for who does not see the page.

import type { Row } from "./feed";

/** One sentence a change; none for the first reading. */
export function changes(before: Row[] | null, after: Row[]): string[] {
  if (before === null) return [];
  const states = new Map(before.map(({ notebook }) => [notebook.id, notebook]));
  const told: string[] = [];
  for (const { notebook } of after) {
    const earlier = states.get(notebook.id);
    states.delete(notebook.id);
    if (earlier === undefined) told.push(`${notebook.name} was created: ${notebook.state}`);
    else if (earlier.state !== notebook.state) told.push(`${notebook.name} is ${notebook.state}`);
  }
  for (const gone of states.values()) told.push(`${gone.name} is deleted`);
  return told;
}

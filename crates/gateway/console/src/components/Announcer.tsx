// News for who does not see the page change.

import { useEffect, useRef, useState } from "react";
import { changes } from "../live/changes";
import type { Row } from "../live/feed";

export function Announcer({ rows }: { rows: Row[] | null }) {
  const before = useRef<Row[] | null>(null);
  const [news, setNews] = useState("");
  useEffect(() => {
    if (rows === null) return;
    const told = changes(before.current, rows);
    before.current = rows;
    if (told.length > 0) setNews(told.join(". "));
  }, [rows]);
  return (
    <p className="unseen" aria-live="polite">
      {news}
    </p>
  );
}

// What happened to a notebook, the newest first.

import type { Event } from "../api/types";
import { moment } from "../logic/times";

export function Timeline({ events }: { events: Event[] }) {
  if (events.length === 0) return null;
  const now = new Date();
  return (
    <section className="panel story" aria-labelledby="story">
      <h2 id="story">What happened</h2>
      <ol className="timeline">
        {events.map((event) => (
          <li key={event.id}>
            <time dateTime={event.time}>{moment(event.time, now)}</time>
            <span>
              {event.summary}
              <span className="sub">{event.area}</span>
            </span>
          </li>
        ))}
      </ol>
    </section>
  );
}

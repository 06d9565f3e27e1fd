// Times for people. Now is always given: these functions know no clock.

const MINUTE = 60;
const HOUR = 3_600;
const DAY = 86_400;

/** A length of time in its two largest units: "2 h 5 min". */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < MINUTE) return `${whole} s`;
  if (whole < HOUR) return `${Math.floor(whole / MINUTE)} min`;
  const [large, small, names] = whole < DAY ? [HOUR, MINUTE, ["h", "min"]] : [DAY, HOUR, ["d", "h"]];
  const rest = Math.floor((whole % large) / small);
  const head = `${Math.floor(whole / large)} ${names[0]}`;
  return rest === 0 ? head : `${head} ${rest} ${names[1]}`;
}

/** How long ago something was: "just now", "5 min ago". */
export function ago(time: string, now: Date): string {
  const seconds = (now.getTime() - new Date(time).getTime()) / 1_000;
  return seconds < MINUTE ? "just now" : `${duration(seconds).split(" ").slice(0, 2).join(" ")} ago`;
}

/** A moment: the time of day where it is within a day of now, and the date otherwise. */
export function moment(time: string, now: Date): string {
  const at = new Date(time);
  const sameDay = at.toDateString() === now.toDateString();
  const clock = at.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
  if (sameDay) return clock;
  return `${at.toLocaleDateString("en-GB", { day: "numeric", month: "short", year: "numeric" })}, ${clock}`;
}

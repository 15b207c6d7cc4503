// Durations that grow by themselves, and moments in the reader's own time zone.

/** Say a duration in words, the way the server does. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "medium", hour12: false });

function write(element: HTMLTimeElement, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** Bring every time element up to date. */
export function refreshTimes(now: number = Date.now()): void {
  for (const element of document.querySelectorAll<HTMLTimeElement>("time[data-as]")) {
    const at = Date.parse(element.dateTime);
    if (Number.isNaN(at)) continue;
    switch (element.dataset["as"]) {
      case "since":
        write(element, duration((now - at) / 1000));
        break;
      case "until":
        write(element, at > now ? duration((at - now) / 1000) : "a moment");
        break;
      case "clock":
        write(element, clock.format(at));
        break;
      default:
        write(element, moment.format(at));
    }
  }
}

/** Keep the times right: each second, and after each change of the page. */
export function times(): void {
  refreshTimes();
  setInterval(refreshTimes, 1000);
  document.addEventListener("htmx:after:swap", () => refreshTimes());
}

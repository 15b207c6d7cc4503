// The strip above what one works with in a task: it says ahead of the end that the task's time is nearly over.
import { refreshTimes } from "./times";

/** Show what a page's stream of events says of the end, and let the time left shrink. */
export function ending(source: EventSource): void {
  source.addEventListener("ending", (event: MessageEvent<string>) => {
    const strip = document.querySelector<HTMLElement>("#ending");
    if (!strip) return;
    strip.innerHTML = event.data;
    strip.hidden = strip.childElementCount === 0;
    refreshTimes();
  });
}

/** Keep the time left right from the first moment on. */
export function countdown(): void {
  refreshTimes();
  setInterval(refreshTimes, 1000);
}

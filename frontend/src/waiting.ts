// The waiting page on a task's own origin: shows what the server says, and becomes the application when it is ready.
import { refreshTimes } from "./times";

const box = document.querySelector<HTMLElement>("#waiting");

function show(html: string): void {
  if (!box) return;
  box.innerHTML = html;
  const log = box.querySelector<HTMLElement>(".log");
  if (log) log.scrollTop = log.scrollHeight;
  refreshTimes();
}

function listen(): void {
  const source = new EventSource("/.specola/events");
  source.addEventListener("state", (event: MessageEvent<string>) => show(event.data));
  source.addEventListener("ready", () => {
    source.close();
    location.reload();
  });
  // The browser connects again by itself after a break, but not after an answer that is not a stream.
  source.addEventListener("error", () => {
    if (source.readyState === EventSource.CLOSED) setTimeout(listen, 2000);
  });
}

document.documentElement.classList.add("scripted");
refreshTimes();
setInterval(refreshTimes, 1000);
if (box?.dataset["live"] !== undefined) listen();

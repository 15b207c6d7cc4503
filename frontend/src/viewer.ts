// The page of an interface that is no HTTP: its copy buttons, and a new look when it cannot be reached any more.
import { copyButtons } from "./copy";
import { countdown, ending } from "./ending";

function listen(): void {
  const source = new EventSource("/.specola/viewer/events");
  ending(source);
  source.addEventListener("over", () => {
    source.close();
    location.reload();
  });
  // The browser connects again by itself after a break, but not after an answer that is not a stream.
  source.addEventListener("error", () => {
    if (source.readyState === EventSource.CLOSED) setTimeout(listen, 2000);
  });
}

document.documentElement.classList.add("scripted");
copyButtons();
countdown();
if (document.querySelector("[data-live]")) listen();

// Logs that follow: stay at the end while the reader is there, and keep the page small.

const MOST_LINES = 5000;

function follow(log: HTMLElement): void {
  let atEnd = true;
  log.scrollTop = log.scrollHeight;
  log.addEventListener("scroll", () => {
    atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 24;
  });
  new MutationObserver(() => {
    while (log.childElementCount > MOST_LINES) log.firstElementChild?.remove();
    if (atEnd) log.scrollTop = log.scrollHeight;
  }).observe(log, { childList: true });
}

/** Follow every log of the page. */
export function followingLogs(): void {
  for (const log of document.querySelectorAll<HTMLElement>("[data-follow]")) follow(log);
}

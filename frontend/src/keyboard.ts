// The keyboard: "/" searches from anywhere, arrows choose a hit, Enter starts or opens it, Escape gives up.

function isTyping(element: Element | null): boolean {
  return element instanceof HTMLElement && (element.isContentEditable || element.matches("input, textarea, select"));
}

function choose(list: HTMLElement, step: number): void {
  const hits = [...list.querySelectorAll<HTMLElement>(".hit")];
  if (hits.length === 0) return;
  const now = hits.findIndex((hit) => hit.classList.contains("chosen"));
  const next = Math.min(hits.length - 1, Math.max(0, now + step));
  hits.forEach((hit, index) => hit.classList.toggle("chosen", index === next));
  hits[next]?.scrollIntoView({ block: "nearest" });
}

function insideSearch(event: KeyboardEvent, field: HTMLInputElement, list: HTMLElement): void {
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    choose(list, event.key === "ArrowDown" ? 1 : -1);
  } else if (event.key === "Enter") {
    const verb = list.querySelector<HTMLElement>(".hit.chosen [data-verb]");
    if (!verb) return;
    event.preventDefault();
    verb.click();
    list.replaceChildren();
    field.value = "";
  } else if (event.key === "Escape") {
    list.replaceChildren();
    field.value = "";
    field.blur();
  }
}

/** Wire the search field of the bar, if the page has one. */
export function keyboard(): void {
  const field = document.querySelector<HTMLInputElement>("#search");
  const list = document.querySelector<HTMLElement>("#found");
  if (!field || !list) return;
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && !event.ctrlKey && !event.metaKey && !event.altKey && !isTyping(document.activeElement)) {
      event.preventDefault();
      field.focus();
      field.select();
    }
  });
  field.addEventListener("keydown", (event) => insideSearch(event, field, list));
  document.addEventListener("htmx:after:swap", () => {
    if (document.activeElement === field && !list.querySelector(".chosen")) choose(list, 1);
  });
  document.addEventListener("click", (event) => {
    if (!(event.target as Element | null)?.closest(".find")) list.replaceChildren();
  });
}

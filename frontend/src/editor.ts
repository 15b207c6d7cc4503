// The YAML field: line numbers beside it, faulty lines marked, Tab left to the keyboard's own use.

function drawNumbers(gutter: HTMLElement, count: number, faults: ReadonlySet<number>): void {
  const lines = Array.from({ length: count }, (_, index) => {
    const line = document.createElement("span");
    line.textContent = String(index + 1);
    if (faults.has(index + 1)) line.className = "at-fault";
    return line;
  });
  gutter.replaceChildren(...lines);
}

function goTo(text: HTMLTextAreaElement, line: number): void {
  const lines = text.value.split("\n");
  const start = lines.slice(0, line - 1).reduce((sum, each) => sum + each.length + 1, 0);
  text.focus();
  text.setSelectionRange(start, start + (lines[line - 1]?.length ?? 0));
  text.scrollTop = (text.scrollHeight / lines.length) * Math.max(0, line - 4);
}

function wire(box: HTMLElement): void {
  const text = box.querySelector("textarea");
  const gutter = box.querySelector<HTMLElement>(".gutter");
  if (!text || !gutter) return;
  const faults = new Set((box.dataset["faults"] ?? "").split(" ").filter(Boolean).map(Number));
  const draw = (): void => {
    drawNumbers(gutter, text.value.split("\n").length, faults);
    gutter.scrollTop = text.scrollTop;
  };
  text.addEventListener("input", draw);
  text.addEventListener("scroll", () => {
    gutter.scrollTop = text.scrollTop;
  });
  draw();
  document.addEventListener("click", (event) => {
    const jump = (event.target as Element | null)?.closest<HTMLElement>("[data-line]");
    if (jump) goTo(text, Number(jump.dataset["line"]));
  });
}

/** Wire every YAML field of the page. */
export function yamlFields(): void {
  for (const box of document.querySelectorAll<HTMLElement>(".yaml")) wire(box);
}

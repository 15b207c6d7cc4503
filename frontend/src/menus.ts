// Menus made of <details>: one open at a time, closed by Escape or a click elsewhere.

function closeAll(except: Element | null): void {
  for (const menu of document.querySelectorAll<HTMLDetailsElement>("details.menu[open]")) {
    if (menu !== except) menu.open = false;
  }
}

/** Let menus behave as people expect of menus. */
export function menus(): void {
  document.addEventListener("click", (event) => {
    closeAll((event.target as Element | null)?.closest("details.menu") ?? null);
  });
  document.addEventListener("keydown", (event) => {
    const open = document.querySelector<HTMLDetailsElement>("details.menu[open]");
    if (event.key !== "Escape" || !open) return;
    open.open = false;
    open.querySelector<HTMLElement>("summary")?.focus();
  });
}

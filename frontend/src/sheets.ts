// Sheets: options and confirmations, which are pages of their own, shown in a dialog above the present page.

/** Open the dialog when something was put into it; close it by its own buttons, a click beside it, or a new tab. */
export function sheets(): void {
  const dialog = document.querySelector<HTMLDialogElement>("#sheet");
  const body = document.querySelector<HTMLElement>("#sheet-body");
  if (!dialog || !body) return;
  document.addEventListener("htmx:after:swap", () => {
    if (body.childElementCount > 0 && !dialog.open) dialog.showModal();
  });
  dialog.addEventListener("close", () => body.replaceChildren());
  dialog.addEventListener("click", (event) => {
    const target = event.target as Element;
    if (target === dialog || target.closest("[data-close]")) {
      event.preventDefault();
      dialog.close();
    }
  });
  dialog.addEventListener("submit", (event) => {
    if ((event.target as HTMLFormElement).target === "_blank") setTimeout(() => dialog.close());
  });
}

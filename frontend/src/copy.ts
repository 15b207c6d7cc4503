// Buttons that copy a command, an address or a secret.

/** Let every button with data-copy copy that text, and say that it did. */
export function copyButtons(): void {
  document.addEventListener("click", (event) => {
    const button = (event.target as Element | null)?.closest<HTMLButtonElement>("button[data-copy]");
    if (!button) return;
    void navigator.clipboard.writeText(button.dataset["copy"] ?? "").then(() => {
      const label = button.getAttribute("aria-label") ?? "";
      button.classList.add("done");
      button.setAttribute("aria-label", "Copied");
      setTimeout(() => {
        button.classList.remove("done");
        button.setAttribute("aria-label", label);
      }, 1600);
    });
  });
}

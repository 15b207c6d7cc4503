// Live parts whose stream the server refuses: the visitor has signed out elsewhere, or what was shown is gone.

interface StreamError {
  status?: number;
}

const OVER = new Set([401, 403, 404]);

/** Load the page again when its stream is refused, since only the page can say why. */
export function streams(): void {
  document.addEventListener("htmx:sse:error", (event) => {
    const { status } = (event as CustomEvent<StreamError>).detail;
    if (status !== undefined && OVER.has(status)) location.reload();
  });
}

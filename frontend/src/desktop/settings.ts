// How the desktop is shown: its size and the quality of its picture, remembered by the browser.
import type RFB from "@novnc/novnc";

const QUALITIES: Readonly<Record<string, readonly [quality: number, compression: number]>> = {
  sharp: [9, 1],
  balanced: [6, 2],
  fast: [2, 6],
};
const NARROW = "(max-width: 640px)";

function remembered(name: string): string | null {
  try {
    return localStorage.getItem(`desktop-${name}`);
  } catch {
    return null;
  }
}

function remember(name: string, value: string): void {
  try {
    localStorage.setItem(`desktop-${name}`, value);
  } catch {
    // A browser that keeps nothing shows it right all the same.
  }
}

/** The choices of the menu Display, and what follows from them. */
export class Settings {
  private rfb: RFB | undefined;

  constructor(
    private readonly form: HTMLFormElement,
    private readonly viewOnly: boolean,
  ) {
    for (const name of ["fit", "quality"]) {
      const kept = remembered(name);
      const choice = form.querySelector<HTMLInputElement>(`input[name="${name}"][value="${kept ?? ""}"]`);
      if (choice && !choice.disabled) choice.checked = true;
    }
    form.addEventListener("change", (event) => {
      const { name, value } = event.target as HTMLInputElement;
      remember(name, value);
      this.apply();
    });
    matchMedia(NARROW).addEventListener("change", () => this.apply());
  }

  /** Show a desktop as chosen, now and after every change. */
  of(rfb: RFB): void {
    this.rfb = rfb;
    this.apply();
  }

  private apply(): void {
    const { rfb } = this;
    if (!rfb) return;
    const chosen = new FormData(this.form);
    const [quality, compression] = QUALITIES[String(chosen.get("quality"))] ?? [6, 2];
    rfb.qualityLevel = quality;
    rfb.compressionLevel = compression;
    const fit = String(chosen.get("fit") ?? "scale");
    // On a phone's window a desktop of that size would be of no use to anybody who looks at it.
    rfb.resizeSession = fit === "resize" && !this.viewOnly && !matchMedia(NARROW).matches;
    rfb.scaleViewport = fit !== "exact";
    rfb.clipViewport = fit === "exact";
    rfb.dragViewport = fit === "exact" && this.viewOnly;
  }
}

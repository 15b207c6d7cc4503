// The clipboard, both ways: by itself where the browser permits it, by a panel with the text where it does not.
import type RFB from "@novnc/novnc";

const MOST = 1_000_000;

/** Carries text between this machine's clipboard and the desktop's. */
export class Clipboard {
  private rfb: RFB | undefined;
  /** What this machine's clipboard held when it was last looked at: only what is new there goes to the desktop. */
  private outside = "";

  constructor(
    private readonly text: HTMLTextAreaElement,
    private readonly note: HTMLElement,
    share: HTMLButtonElement,
  ) {
    text.addEventListener("input", () => this.send(text.value));
    share.addEventListener("click", () => void this.take({ asked: true }));
    addEventListener("focus", () => void this.take({ asked: false }));
    // Asked at a click too: what was copied in another window beside this one makes no event here.
    addEventListener("pointerdown", () => void this.take({ asked: false }), { capture: true });
  }

  /** Carry to and from a desktop. */
  of(rfb: RFB): void {
    this.rfb = rfb;
    rfb.addEventListener("clipboard", (event) => {
      void this.give((event as CustomEvent<{ text: string }>).detail.text);
    });
    rfb.addEventListener("connect", () => {
      this.outside = "";
      void this.take({ asked: false });
    });
  }

  private send(text: string): void {
    this.rfb?.clipboardPasteFrom(text.slice(0, MOST));
  }

  /** Bring this machine's text to the desktop, if the browser lets us read it. */
  private async take({ asked }: { asked: boolean }): Promise<void> {
    if (!asked && (!document.hasFocus() || !(await permitted()))) return;
    try {
      const text = await navigator.clipboard.readText();
      if (text && (asked || text !== this.outside)) {
        this.outside = text;
        this.text.value = text;
        this.send(text);
      }
      this.note.textContent = "Text that you copy here or there can be pasted on either side.";
    } catch {
      if (asked) this.note.textContent = "The browser does not let this page read the clipboard: paste into the field.";
    }
  }

  /** Bring the desktop's text to this machine. */
  private async give(text: string): Promise<void> {
    this.text.value = text;
    try {
      await navigator.clipboard.writeText(text);
      this.outside = text;
    } catch {
      this.note.textContent = "The browser does not let this page write the clipboard: copy from the field.";
    }
  }
}

async function permitted(): Promise<boolean> {
  try {
    const { state } = await navigator.permissions.query({ name: "clipboard-read" as PermissionName });
    return state === "granted";
  } catch {
    return false;
  }
}

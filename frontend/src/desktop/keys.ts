// Keys that a browser or a phone keeps to itself, as buttons.
import type RFB from "@novnc/novnc";

interface Key {
  readonly keysym: number;
  readonly code: string;
}

const KEYS: Readonly<Record<string, Key>> = {
  Escape: { keysym: 0xff1b, code: "Escape" },
  Tab: { keysym: 0xff09, code: "Tab" },
  Enter: { keysym: 0xff0d, code: "Enter" },
  Backspace: { keysym: 0xff08, code: "Backspace" },
  Delete: { keysym: 0xffff, code: "Delete" },
  PrintScreen: { keysym: 0xff61, code: "PrintScreen" },
  F11: { keysym: 0xffc8, code: "F11" },
  ArrowLeft: { keysym: 0xff51, code: "ArrowLeft" },
  ArrowUp: { keysym: 0xff52, code: "ArrowUp" },
  ArrowRight: { keysym: 0xff53, code: "ArrowRight" },
  ArrowDown: { keysym: 0xff54, code: "ArrowDown" },
  Control: { keysym: 0xffe3, code: "ControlLeft" },
  Alt: { keysym: 0xffe9, code: "AltLeft" },
  Super: { keysym: 0xffeb, code: "MetaLeft" },
};

/** The menu Keys: some are pressed, others held until they are pressed again. */
export class Keys {
  private readonly held = new Set<string>();

  constructor(
    private readonly menu: HTMLElement,
    private readonly rfb: () => RFB | undefined,
  ) {
    menu.addEventListener("click", (event) => {
      const button = (event.target as Element).closest<HTMLButtonElement>("button[data-key], button[data-hold]");
      if (!button) return;
      const { key, hold } = button.dataset;
      if (hold) this.toggle(hold);
      else if (key === "CtrlAltDel") this.rfb()?.sendCtrlAltDel();
      else if (key) this.press(key);
    });
  }

  /** Press and let go a key by its name; false: it is none of those that have one here. */
  press(name: string): boolean {
    const key = KEYS[name];
    if (!key) return false;
    this.rfb()?.sendKey(key.keysym, key.code);
    return true;
  }

  /** Let go what is held: another connection begins with no key down. */
  release(): void {
    for (const name of [...this.held]) this.toggle(name);
  }

  private toggle(name: string): void {
    const key = KEYS[name];
    if (!key) return;
    const down = !this.held.has(name);
    if (down) this.held.add(name);
    else this.held.delete(name);
    this.rfb()?.sendKey(key.keysym, key.code, down);
    this.menu.querySelector(`[data-hold="${name}"]`)?.setAttribute("aria-pressed", String(down));
  }
}

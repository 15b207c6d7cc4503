// One terminal on the page: xterm.js with its size, colours, keys and search.
import { FitAddon } from "@xterm/addon-fit";
import { SearchAddon } from "@xterm/addon-search";
import { Unicode11Addon } from "@xterm/addon-unicode11";
import { WebLinksAddon } from "@xterm/addon-web-links";
import { type ITheme, Terminal } from "@xterm/xterm";
import type { Size } from "./terminal-connection";

const LIGHT: ITheme = {
  background: "#fff",
  foreground: "#1b1d22",
  cursor: "#3d4fd8",
  cursorAccent: "#fff",
  selectionBackground: "#c9d0fb",
  black: "#1b1d22",
  red: "#b32d2d",
  green: "#14703f",
  yellow: "#865608",
  blue: "#2456b8",
  magenta: "#8a2f93",
  cyan: "#0b6b75",
  white: "#6a6f7a",
  brightBlack: "#5a5f6a",
  brightRed: "#c23b3b",
  brightGreen: "#1a7f4b",
  brightYellow: "#8f5f0c",
  brightBlue: "#3d4fd8",
  brightMagenta: "#9c3fa6",
  brightCyan: "#0f7884",
  brightWhite: "#3a3e47",
};
const DARK: ITheme = {
  background: "#121317",
  foreground: "#eceef2",
  cursor: "#8b98ff",
  cursorAccent: "#10121a",
  selectionBackground: "#3a4278",
  black: "#2b2e36",
  red: "#f38b8b",
  green: "#62c795",
  yellow: "#e3b765",
  blue: "#74b4f6",
  magenta: "#d59be0",
  cyan: "#6fcdd6",
  white: "#c4c9d3",
  brightBlack: "#8d94a2",
  brightRed: "#ffa8a8",
  brightGreen: "#86deb2",
  brightYellow: "#f2cf8d",
  brightBlue: "#a3c8ff",
  brightMagenta: "#e6b8ee",
  brightCyan: "#97e2e9",
  brightWhite: "#fff",
};

export interface Wishes {
  type(data: Uint8Array<ArrayBuffer>): void;
  resized(size: Size): void;
  leave(): void;
  find(): void;
}

const dark = matchMedia("(prefers-color-scheme: dark)");
const narrow = matchMedia("(max-width: 640px)");

export class Screen {
  readonly terminal: Terminal;
  private readonly fit = new FitAddon();
  private readonly search = new SearchAddon();
  private readonly element: HTMLElement;

  constructor(element: HTMLElement, label: string, wishes: Wishes) {
    this.element = element;
    this.terminal = new Terminal({
      allowProposedApi: true,
      cursorBlink: !matchMedia("(prefers-reduced-motion: reduce)").matches,
      fontFamily: getComputedStyle(element).fontFamily,
      fontSize: narrow.matches ? 12 : 14,
      minimumContrastRatio: 4.5,
      scrollback: 10_000,
      theme: dark.matches ? DARK : LIGHT,
    });
    for (const addon of [this.fit, this.search, new Unicode11Addon(), new WebLinksAddon()]) this.terminal.loadAddon(addon);
    this.terminal.unicode.activeVersion = "11";
    this.terminal.open(element);
    this.terminal.textarea?.setAttribute("aria-label", label);
    this.terminal.textarea?.setAttribute("aria-describedby", "keys");
    this.terminal.attachCustomKeyEventHandler((event) => this.key(event, wishes));
    const encoder = new TextEncoder();
    // A window that nobody sees answers nothing: another window of the same session does.
    this.terminal.onData((text) => document.visibilityState === "hidden" || wishes.type(encoder.encode(text)));
    this.terminal.onBinary((text) => wishes.type(Uint8Array.from(text, (one) => one.charCodeAt(0))));
    this.terminal.onResize(({ cols, rows }) => wishes.resized({ columns: cols, rows }));
    dark.addEventListener("change", () => (this.terminal.options.theme = dark.matches ? DARK : LIGHT));
    new ResizeObserver(() => this.refit()).observe(element);
    this.refit();
  }

  get size(): Size {
    return { columns: this.terminal.cols, rows: this.terminal.rows };
  }

  /** Take as many columns and rows as there is room for. */
  refit(): void {
    if (this.element.offsetParent) this.fit.fit();
  }

  show(data: Uint8Array | null, fresh: boolean, shown: () => void): void {
    // In the stream, so that it comes after all that is still to be shown: a reset of everything.
    if (fresh) this.terminal.write("\x1bc");
    this.terminal.write(data ?? "", shown);
  }

  find(text: string, back: boolean): boolean {
    return back ? this.search.findPrevious(text) : this.search.findNext(text);
  }

  private key(event: KeyboardEvent, wishes: Wishes): boolean {
    if (event.type !== "keydown" || !event.ctrlKey || event.altKey || event.metaKey) return true;
    if (event.key === "F6") return taken(event, () => wishes.leave());
    if (!event.shiftKey) return true;
    switch (event.code) {
      case "KeyC":
        return taken(event, () => copy(this.terminal.getSelection(), this.terminal));
      case "KeyF":
        return taken(event, () => wishes.find());
      case "KeyV":
        // The browser pastes, and the terminal hears of it.
        return false;
      default:
        return true;
    }
  }
}

function taken(event: KeyboardEvent, act: () => void): false {
  event.preventDefault();
  act();
  return false;
}

/** Copy a selection, also where the page is not served over TLS and browsers give it no clipboard. */
function copy(text: string, terminal: Terminal): void {
  if (!text) return;
  if (window.isSecureContext) {
    void navigator.clipboard.writeText(text);
    return;
  }
  const field = document.createElement("textarea");
  field.value = text;
  document.body.append(field);
  field.select();
  document.execCommand("copy");
  field.remove();
  terminal.focus();
}

// A task's desktop in the browser, by noVNC: connected through the tunnel on the same origin.
import type RFB from "@novnc/novnc";
import { Clipboard } from "./desktop/clipboard";
import { Connection, type Status } from "./desktop/connection";
import { Keys } from "./desktop/keys";
import { Settings } from "./desktop/settings";
import { typing } from "./desktop/typing";
import { countdown, ending } from "./ending";
import { menus } from "./menus";

function found<T extends Element>(selector: string): T {
  const element = document.querySelector<T>(selector);
  if (!element) throw new Error(`the page has no ${selector}`);
  return element;
}

const page = document.documentElement;
const screen = found<HTMLElement>("#screen");
const state = found<HTMLElement>("#state");
const notice = found<HTMLElement>("#notice");
const viewOnly = screen.dataset["viewOnly"] !== undefined;

function show(status: Status): void {
  state.className = `state ${status.kind}`;
  state.textContent = { starting: "Connecting", running: "Connected", doubtful: "Interrupted", failed: "Ended" }[status.kind];
  notice.hidden = status.kind === "running";
  found("#notice-text").textContent = status.text;
  found<HTMLElement>("#notice-now").hidden = status.kind !== "doubtful";
  found<HTMLElement>("#notice-reload").hidden = status.over !== "signed_out";
  const back = document.querySelector<HTMLElement>("#notice-back");
  if (back) back.hidden = status.over !== "ended";
}

const settings = new Settings(found("#display"), viewOnly);
const connection = new Connection(screen, show, begin);
const working = viewOnly ? undefined : work();

/** What acts on the desktop, which those who only look do not have. */
function work(): { clipboard: Clipboard; keys: Keys } {
  const now = (): RFB | undefined => connection.rfb;
  const clipboard = new Clipboard(found("#clipboard-text"), found("#clipboard-note"), found("#clipboard-share"));
  const keys = new Keys(found("#keys"), now);
  typing(found("#typing"), found("#keyboard"), keys, now);
  return { clipboard, keys };
}

function begin(rfb: RFB): void {
  rfb.viewOnly = viewOnly;
  rfb.background = "";
  rfb.showDotCursor = true;
  settings.of(rfb);
  working?.clipboard.of(rfb);
  rfb.addEventListener("connect", () => {
    const canvas = screen.querySelector("canvas");
    canvas?.setAttribute("role", "img");
    canvas?.setAttribute("aria-label", screen.dataset["label"] ?? "");
    if (!document.querySelector("details.menu[open]")) rfb.focus({ preventScroll: true });
  });
  rfb.addEventListener("disconnect", () => working?.keys.release());
}

found("#notice-now").addEventListener("click", () => connection.connect());
found("#notice-reload").addEventListener("click", () => location.reload());

const full = found<HTMLButtonElement>("#full");
if (document.fullscreenEnabled) {
  full.addEventListener("click", () => {
    if (document.fullscreenElement) void document.exitFullscreen();
    else void page.requestFullscreen({ navigationUI: "hide" });
  });
  document.addEventListener("fullscreenchange", () => {
    const on = document.fullscreenElement !== null;
    page.classList.toggle("filling", on);
    full.setAttribute("aria-pressed", String(on));
    connection.rfb?.focus();
  });
} else {
  full.hidden = true;
}

// A menu closes when the desktop is used again, of which noVNC tells nobody else, and gives the keyboard back to it.
const all = document.querySelectorAll<HTMLDetailsElement>("details.menu");
const close = (): void => all.forEach((menu) => (menu.open = false));
screen.addEventListener("pointerdown", close, { capture: true });
for (const menu of all) {
  menu.addEventListener("toggle", () => {
    if (!menu.open && menu.contains(document.activeElement)) connection.rfb?.focus();
  });
}

/** Hear when the task's time is nearly over; that it has ended the desktop's own connection tells. */
function listen(): void {
  const source = new EventSource("/.specola/viewer/events");
  ending(source);
  source.addEventListener("over", () => source.close());
  source.addEventListener("error", () => {
    if (source.readyState === EventSource.CLOSED) setTimeout(listen, 2000);
  });
}

menus();
countdown();
page.classList.add("scripted");
connection.connect();
listen();

// The page of a task's terminals: one tab for each session, found again after a reload.
import { countdown, ending } from "./ending";
import { Connection, type Listed, end, sessions } from "./terminal-connection";
import { Screen } from "./terminal-screen";
import { stylesByObjectModel } from "./terminal-styles";

const KEPT = "terminal";
const GONE =
  "The part of the platform that held this terminal was restarted, or it had been unused for long. What ran in it has ended.";

function part<Kind extends Element = HTMLElement>(selector: string, within: ParentNode = document): Kind {
  const found = within.querySelector<Kind>(selector);
  if (!found) throw new Error(selector);
  return found;
}

function copyOf(template: string): HTMLElement {
  return part<HTMLTemplateElement>(template).content.firstElementChild!.cloneNode(true) as HTMLElement;
}

let tabs: Tab[] = [];
let active: Tab | null = null;
let number = 0;

class Tab {
  session: string | null;
  private readonly item = copyOf("#tab");
  private readonly section = copyOf("#screen");
  private readonly button = part<HTMLButtonElement>(".terminal-tab", this.item);
  private readonly note = part(".terminal-note", this.section);
  private screen: Screen | null = null;
  private connection: Connection | null = null;
  private state = "waiting";
  private words = "Connecting";

  constructor(session: string | null) {
    this.session = session;
    const name = `Terminal ${++number}`;
    this.button.textContent = name;
    this.section.setAttribute("aria-label", name);
    const end = part<HTMLButtonElement>(".terminal-end", this.item);
    end.setAttribute("aria-label", `End ${name}`);
    end.title = `End ${name}`;
    end.addEventListener("click", () => this.end());
    this.button.addEventListener("click", () => this.choose());
    part("#tabs").append(this.item);
    part("#screens").append(this.section);
    tabs.push(this);
  }

  /** Bring it to the front, connecting it when it is there for the first time. */
  choose(): void {
    active = this;
    for (const tab of tabs) {
      tab.section.hidden = tab !== this;
      if (tab === this) tab.button.setAttribute("aria-current", "true");
      else tab.button.removeAttribute("aria-current");
    }
    this.screen ??= this.make();
    this.connection ??= this.connect(this.screen);
    this.screen.refit();
    this.screen.terminal.focus();
    this.keep();
    this.tell(this.state, this.words);
    this.item.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  focusTab(): void {
    this.button.focus();
  }

  find(text: string, back: boolean): boolean {
    return this.screen?.find(text, back) ?? false;
  }

  focus(): void {
    this.screen?.terminal.focus();
  }

  /** Say for good that nothing more will come. */
  close(sentence: string): void {
    this.connection?.close();
    this.tell("lost", sentence);
  }

  private make(): Screen {
    return new Screen(part(".terminal-cells", this.section), this.button.textContent ?? "", {
      type: (data) => this.connection?.type(data),
      resized: (size) => this.connection?.resize(size),
      leave: () => this.focusTab(),
      find: () => search(true),
    });
  }

  private connect(screen: Screen): Connection {
    return new Connection(
      {
        size: () => screen.size,
        show: (data, fresh, shown) => screen.show(data, fresh, shown),
        named: (session) => {
          this.session = session;
          this.keep();
        },
        connected: (yes) => (yes ? this.tell("connected", "Connected") : this.tell("lost", "Connection lost, trying again")),
        resized: (size) => {
          if (!document.hasFocus()) screen.terminal.resize(size.columns, size.rows);
        },
        ended: (code) => {
          this.tell("ended", "Ended");
          this.say(code ? `The shell has ended with exit code ${code}.` : "The shell has ended.", "");
        },
        failed: (code, sentence, hint) => {
          this.tell("ended", "Not connected");
          if (code === "missing") this.say("This terminal is gone.", GONE);
          else this.say(sentence, hint);
        },
      },
      this.session,
    );
  }

  private say(sentence: string, hint: string): void {
    part("strong", this.note).textContent = sentence;
    part("span", this.note).textContent = hint;
    const again = part<HTMLButtonElement>("button", this.note);
    again.textContent = "New terminal";
    again.onclick = () => {
      const next = new Tab(null);
      this.leave();
      next.choose();
    };
    this.note.hidden = false;
    this.screen?.terminal.blur();
    again.focus();
  }

  private end(): void {
    if (this.session) end(this.session);
    this.leave();
    if (!tabs.length) new Tab(null);
    if (active === this) tabs.at(-1)?.choose();
  }

  private leave(): void {
    this.connection?.close();
    this.item.remove();
    this.section.remove();
    tabs = tabs.filter((one) => one !== this);
  }

  private keep(): void {
    if (active === this && this.session) sessionStorage.setItem(KEPT, this.session);
  }

  private tell(state: string, words: string): void {
    this.state = state;
    this.words = words;
    if (active !== this) return;
    const shown = part("#state");
    shown.dataset["state"] = state;
    shown.textContent = words;
  }
}

function search(open: boolean): void {
  part("#search").hidden = !open;
  part("#find").setAttribute("aria-expanded", String(open));
  if (open) part<HTMLInputElement>("#wanted").focus();
  else active?.focus();
}

function searching(): void {
  part("#find").addEventListener("click", () => search(Boolean(part("#search").hidden)));
  part("#search").addEventListener("keydown", (event) => {
    if ((event as KeyboardEvent).key === "Escape") search(false);
  });
  part<HTMLFormElement>("#search").addEventListener("submit", (event) => {
    event.preventDefault();
    const text = part<HTMLInputElement>("#wanted").value;
    const back = (event.submitter as HTMLButtonElement | null)?.value !== "on";
    part("#found").textContent = !text || (active?.find(text, back) ?? false) ? "" : "Not found";
  });
}

/** Hear when the task, or the right to it, has ended. */
function listen(): void {
  const source = new EventSource("/.specola/viewer/events");
  ending(source);
  source.addEventListener("over", () => {
    source.close();
    for (const tab of tabs) tab.close("The task has ended, or your right to it");
  });
  source.addEventListener("error", () => {
    if (source.readyState === EventSource.CLOSED) setTimeout(listen, 2000);
  });
}

async function found(): Promise<Listed[]> {
  for (let pause = 250; ; pause = Math.min(pause * 2, 5000)) {
    try {
      return await sessions();
    } catch {
      part("#state").textContent = "Not reachable, trying again";
      await new Promise((resume) => setTimeout(resume, pause));
    }
  }
}

async function start(): Promise<void> {
  stylesByObjectModel();
  countdown();
  searching();
  part("#more").addEventListener("click", () => new Tab(null).choose());
  const kept = sessionStorage.getItem(KEPT);
  const there = (await found()).map((one) => one.session);
  // One that was shown before the page was loaded again, and is gone: said, not passed over.
  if (kept && !there.includes(kept)) there.push(kept);
  for (const session of there.length ? there : [null]) new Tab(session);
  (tabs.find((one) => one.session === kept) ?? tabs[0])?.choose();
  listen();
}

document.documentElement.classList.add("scripted");
if (document.querySelector("[data-live]")) void start();

// The connection of one window to its session, made again by itself: docs/developer/internal-protocol.md, Terminals.

const ADDRESS = "/.specola/terminal";
const FIRST_PAUSE = 250;
const LAST_PAUSE = 2000;
/** Bytes shown after which the session is told so; it sends no more than a few times this ahead. */
const TELL = 32 * 1024;

export interface Size {
  columns: number;
  rows: number;
}

export interface Listed {
  session: string;
  began: string;
}

interface Told {
  type: "sessions" | "attached" | "resized" | "ended" | "failed";
  sessions: Listed[];
  session: string;
  offset: number;
  until: number;
  fresh: boolean;
  columns: number;
  rows: number;
  code: number | string;
  sentence: string;
  hint: string;
}

export interface Watcher {
  /** The window's present size. */
  size(): Size;
  /** Show bytes, and call back once they are shown; `fresh`: after clearing all there was. */
  show(data: Uint8Array | null, fresh: boolean, shown: () => void): void;
  named(session: string): void;
  connected(yes: boolean): void;
  resized(size: Size): void;
  ended(code: number): void;
  failed(code: string, sentence: string, hint: string): void;
}

function open(): WebSocket {
  const socket = new WebSocket(new URL(ADDRESS, location.href.replace(/^http/, "ws")));
  socket.binaryType = "arraybuffer";
  return socket;
}

/** Ask once which sessions there are. */
export function sessions(): Promise<Listed[]> {
  return new Promise((found, lost) => {
    const socket = open();
    socket.onopen = () => socket.send(JSON.stringify({ type: "list" }));
    socket.onmessage = (event) => {
      found((JSON.parse(event.data as string) as Told).sessions);
      socket.close();
    };
    socket.onclose = () => lost(new Error("no answer"));
  });
}

/** End a session with all that runs in it, whether a window shows it or not. */
export function end(session: string): void {
  const socket = open();
  socket.onopen = () => {
    socket.send(JSON.stringify({ type: "attach", session }));
    socket.send(JSON.stringify({ type: "end" }));
  };
}

export class Connection {
  session: string | null;
  private readonly watcher: Watcher;
  private socket: WebSocket | null = null;
  private pause = FIRST_PAUSE;
  private timer = 0;
  private over = false;
  /** Where the next bytes that come begin; null: nothing has come yet. */
  private offset: number | null = null;
  private shown = 0;
  private told = 0;
  /** What comes before this is a repetition: nothing that the screen answers to it may be typed. */
  private until = 0;
  private repeating = false;

  constructor(watcher: Watcher, session: string | null) {
    this.watcher = watcher;
    this.session = session;
    window.addEventListener("online", () => this.again());
    this.connect();
  }

  type(data: Uint8Array<ArrayBuffer>): void {
    if (!this.repeating && this.socket?.readyState === WebSocket.OPEN) this.socket.send(data);
  }

  resize(size: Size): void {
    this.say({ type: "resize", ...size });
  }

  /** Let go of the session, which goes on. */
  close(): void {
    this.over = true;
    clearTimeout(this.timer);
    this.socket?.close();
  }

  private say(message: object): void {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  private again(): void {
    if (this.over || this.socket) return;
    clearTimeout(this.timer);
    this.connect();
  }

  private connect(): void {
    const socket = open();
    this.socket = socket;
    socket.onopen = () =>
      this.say({ type: "attach", session: this.session, offset: this.session && this.offset, ...this.watcher.size() });
    socket.onmessage = (event) => {
      if (typeof event.data === "string") this.hear(JSON.parse(event.data) as Told);
      else this.take(new Uint8Array(event.data as ArrayBuffer));
    };
    socket.onclose = () => {
      this.socket = null;
      if (this.over) return;
      this.watcher.connected(false);
      this.timer = window.setTimeout(() => this.again(), this.pause);
      this.pause = Math.min(this.pause * 2, LAST_PAUSE);
    };
  }

  private take(data: Uint8Array): void {
    const end = (this.offset ?? 0) + data.length;
    this.offset = end;
    this.watcher.show(data, false, () => {
      this.shown = end;
      this.ready();
      if (end - this.told < TELL) return;
      this.told = end;
      this.say({ type: "shown", offset: end });
    });
  }

  /** Say that keys count again, once the repetition is over. */
  private ready(): void {
    if (!this.repeating || this.shown < this.until) return;
    this.repeating = false;
    this.watcher.connected(true);
  }

  private hear(told: Told): void {
    switch (told.type) {
      case "attached":
        this.pause = FIRST_PAUSE;
        this.session = told.session;
        this.watcher.named(told.session);
        this.offset = told.offset;
        this.shown = this.told = told.offset;
        this.until = told.until;
        this.repeating = true;
        if (told.fresh) this.watcher.show(null, true, () => undefined);
        this.ready();
        break;
      case "resized":
        this.watcher.resized(told);
        break;
      case "ended":
        this.over = true;
        this.watcher.ended(Number(told.code));
        break;
      case "failed":
        this.over = true;
        this.socket?.close();
        this.watcher.failed(String(told.code), told.sentence, told.hint);
        break;
      default:
    }
  }
}

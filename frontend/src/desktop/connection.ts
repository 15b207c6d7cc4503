// The connection to the desktop: made through the tunnel on this page's own origin, and made again after it broke.
import RFB from "@novnc/novnc";

/** Where the connection is; `text` says it to people, and `over` that nothing is tried any more. */
export interface Status {
  readonly kind: "starting" | "running" | "doubtful" | "failed";
  readonly text: string;
  readonly over?: "signed_out" | "ended";
}

interface Problem {
  readonly code?: string;
  readonly sentence?: string;
}

const PAUSES = [1, 2, 4, 8, 15, 30];
const STEADY_MS = 10_000;
const TUNNEL = "/.specola/tunnel";
const UNREACHABLE = 4001;
const TASK_ENDED = 4002;
const REVOKED = 4003;
const GOING_AWAY = 1001;
const FAILED = 1011;

/** Keeps one desktop connected, with growing pauses, until it is over. */
export class Connection {
  rfb: RFB | undefined;
  private broken = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private since = 0;

  constructor(
    private readonly screen: HTMLElement,
    private readonly told: (status: Status) => void,
    private readonly begun: (rfb: RFB) => void,
  ) {
    addEventListener("online", () => {
      if (this.timer !== undefined) this.connect();
    });
  }

  /** Connect now, whatever pause there is. */
  connect(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.told({ kind: "starting", text: this.broken ? "Connecting again…" : "Connecting…" });
    const socket = new WebSocket(`${location.origin.replace(/^http/, "ws")}${TUNNEL}`, ["binary"]);
    socket.binaryType = "arraybuffer";
    let opened = false;
    socket.addEventListener("open", () => {
      opened = true;
    });
    socket.addEventListener("message", (event: MessageEvent<unknown>) => {
      // The tunnel's word for the end of what the desktop sends.
      if (event.data === "end") socket.close();
    });
    socket.addEventListener("close", (event) => {
      this.rfb = undefined;
      void this.ended(event, opened);
    });
    const rfb = new RFB(this.screen, socket, { shared: true });
    rfb.addEventListener("connect", () => {
      this.rfb = rfb;
      this.since = performance.now();
      this.told({ kind: "running", text: "Connected" });
    });
    this.begun(rfb);
  }

  private async ended(event: CloseEvent, opened: boolean): Promise<void> {
    if (this.since && performance.now() - this.since > STEADY_MS) this.broken = 0;
    this.since = 0;
    if (event.code === TASK_ENDED || event.code === REVOKED) {
      this.told({ kind: "failed", text: event.reason, over: "ended" });
    } else if (opened) {
      this.again(reason(event));
    } else {
      await this.ask();
    }
  }

  /** Find out why there is no tunnel: a script is not told what the answer to its WebSocket was. */
  private async ask(): Promise<void> {
    try {
      const answer = await fetch(TUNNEL, { headers: { Accept: "application/json" }, cache: "no-store" });
      const problem = (await answer.json().catch(() => ({}))) as Problem;
      if (answer.status === 401) {
        this.told({ kind: "failed", text: "You are not signed in here any more.", over: "signed_out" });
      } else if (answer.status === 404) {
        this.told({ kind: "failed", text: "This desktop is not shown to you any more.", over: "ended" });
      } else if (problem.code === "not_ready") {
        // The waiting page stands at the same address, and becomes this page again.
        location.reload();
      } else {
        this.again(answer.status === 426 ? "The connection was refused." : (problem.sentence ?? "There is no answer."));
      }
    } catch {
      this.again(navigator.onLine ? "The platform cannot be reached." : "This machine is offline.");
    }
  }

  private again(why: string): void {
    const pause = PAUSES[Math.min(this.broken, PAUSES.length - 1)] ?? 30;
    this.broken += 1;
    let left = pause;
    const count = (): void => {
      if (left <= 0) {
        this.connect();
        return;
      }
      this.told({ kind: "doubtful", text: `${why} Trying again in ${left} s.` });
      left -= 1;
      this.timer = setTimeout(count, 1000);
    };
    count();
  }
}

function reason(event: CloseEvent): string {
  if (event.code === GOING_AWAY) return "The platform is restarting.";
  if ((event.code === UNREACHABLE || event.code === FAILED) && event.reason) return event.reason;
  return "The connection was lost.";
}

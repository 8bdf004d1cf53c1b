/** Is the other side still there? Media never pauses, so a quiet link is a broken one. */

export type Link = "up" | "interrupted" | "lost";

const INTERRUPTED_AFTER_MS = 2_500;
const LOST_AFTER_MS = 15_000;

export class LinkWatch {
  private bytes = -1;
  private heardAt: number;

  constructor(now: number) {
    this.heardAt = now;
  }

  /** The link's state, given how many bytes have been received up to `now` (ms). */
  observe(now: number, bytesReceived: number): Link {
    if (bytesReceived !== this.bytes) {
      this.bytes = bytesReceived;
      this.heardAt = now;
    }
    const quiet = now - this.heardAt;
    if (quiet >= LOST_AFTER_MS) return "lost";
    return quiet >= INTERRUPTED_AFTER_MS ? "interrupted" : "up";
  }
}

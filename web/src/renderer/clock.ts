/**
 * What is heard right now, on the session's media clock.
 *
 * A pose leaves the server at the same moment as the sound it belongs to, and both take the same
 * way; the sound then waits in the browser's jitter buffer and sound card, the pose does not. So:
 * what is heard is what arrived the sound's waiting time ago. See docs/client-rendering.md.
 */

/** What the browser says of the sound that it receives, from `inbound-rtp`; running totals. */
export interface SoundStats {
  /** Seconds that samples spent in the jitter buffer, summed over samples. */
  readonly delay: number;
  readonly samples: number;
  /** Milliseconds from the jitter buffer to the ear; null where the browser does not say. */
  readonly outputMs: number | null;
}

const WINDOW_MS = 10_000;
/** To the ear where the browser does not say: a few buffers of 10 ms. */
const OUTPUT_MS = 30;
/** A wait to begin with, until the browser has said one. */
const FIRST_WAIT_MS = 80;
/** How fast the wait follows what is measured: in a second, nearly all the way. */
const FOLLOW_MS = 400;

export class PlayoutClock {
  /** How much later than on the media clock things arrive at best; the least of each second. */
  private readonly least = new Map<number, number>();
  private last: SoundStats | null = null;
  private target = FIRST_WAIT_MS;
  private wait: number | null = null;
  private followedAt = 0;

  /** `at` has just arrived. Both in milliseconds, of the media clock and of this page. */
  arrived(at: number, now: number): void {
    const second = Math.floor(now / 1000);
    this.least.set(second, Math.min(now - at, this.least.get(second) ?? Infinity));
    for (const old of this.least.keys()) {
      if (old < second - WINDOW_MS / 1000) this.least.delete(old);
    }
  }

  /** The newest totals. */
  sound(stats: SoundStats): void {
    const samples = stats.samples - (this.last?.samples ?? 0);
    const delay = stats.delay - (this.last?.delay ?? 0);
    this.last = stats;
    if (samples > 0 && delay >= 0) this.target = (1000 * delay) / samples + (stats.outputMs ?? OUTPUT_MS);
  }

  /** The media time that is heard at `now`; null before anything has arrived. */
  heard(now: number): number | null {
    if (this.least.size === 0) return null;
    // a jump would be seen; the buffer itself stretches sound rather than cut it
    const share = 1 - Math.exp(-(now - this.followedAt) / FOLLOW_MS);
    this.wait = this.wait === null ? this.target : this.wait + share * (this.target - this.wait);
    this.followedAt = now;
    return now - Math.min(...this.least.values()) - this.wait;
  }
}

/** A face that is drawn as poses arrive, in time with the sound that is heard. */

import { PlayoutClock, type SoundStats } from "./clock";
import { Poses } from "./poses";
import { type Ground, Renderer } from "./renderer";
import { halves, readRig } from "./rig";
import { POINTS, type Topology, WEIGHTS } from "./topology";
import { decodePose } from "./wire";

/** Where the parts of a face are. */
export interface FaceFiles {
  readonly rigUrl: string;
  readonly meshUrl: string;
  readonly deltasUrl: string;
  readonly ground: Ground;
}

/**
 * A pose is computed for the middle of its 40 ms, 20 ms on; what is drawn now is seen about 16 ms
 * from now. The difference is how far to look back.
 */
const LOOK_BACK_MS = 4;
const MEASURE_MS = 500;
/** Without a pose for so long, somebody else draws, or nobody does. */
const STALE_MS = 1500;
/** More pixels than this show no more of the face. */
const MAX_PIXELS = 1080;

/** Fetch a face and make it ready. Throws where a file or WebGL2 is missing. */
export async function openFace(
  canvas: HTMLCanvasElement | OffscreenCanvas,
  files: FaceFiles,
  software = false,
): Promise<Renderer> {
  const [rig, topology] = await Promise.all([
    get(files.rigUrl).then(async (answer) => readRig(await answer.arrayBuffer())),
    get(files.meshUrl).then((answer) => answer.json() as Promise<Topology>),
  ]);
  const sharedDeltas = rig.deltas
    ? null
    : halves(
        new Uint8Array(await (await get(files.deltasUrl)).arrayBuffer()),
        WEIGHTS * POINTS * 3,
      );
  return Renderer.create(canvas, { rig, topology, sharedDeltas, ground: files.ground, software });
}

async function get(url: string): Promise<Response> {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${url}: ${answer.status}`);
  return answer;
}

export interface LiveOptions {
  /** The browser's word on the sound received so far. */
  readonly sound: () => Promise<SoundStats | null>;
  /** The face is drawn now, or no longer is. */
  readonly show: (live: boolean) => void;
  /** The graphics are gone, and did not come back soon. */
  readonly lost: () => void;
}

export class LiveFace {
  private readonly clock = new PlayoutClock();
  private readonly poses = new Poses();
  private readonly timer: number;
  private arrivedAt = -Infinity;
  private live = false;
  private frame = 0;
  private drawnAt = -Infinity;
  private failingSince: number | null = null;

  constructor(
    private readonly renderer: Renderer,
    private readonly canvas: HTMLCanvasElement,
    private readonly options: LiveOptions,
  ) {
    this.timer = window.setInterval(() => void this.measure(), MEASURE_MS);
    this.frame = requestAnimationFrame(this.draw);
  }

  /** A frame has come on the data channel. */
  take(frame: ArrayBuffer): void {
    const timed = decodePose(frame);
    if (!timed) return;
    this.arrivedAt = performance.now();
    this.clock.arrived(timed.at, this.arrivedAt);
    this.poses.add(timed);
  }

  close(): void {
    clearInterval(this.timer);
    cancelAnimationFrame(this.frame);
    this.renderer.close();
  }

  private readonly draw = (now: DOMHighResTimeStamp) => {
    this.frame = requestAnimationFrame(this.draw);
    const heard = this.clock.heard(now);
    const pose = heard === null ? null : this.poses.at(heard - LOOK_BACK_MS);
    if (pose) {
      fit(this.canvas);
      this.note(this.renderer.draw(pose), now);
    }
    const live = now - this.drawnAt < STALE_MS && now - this.arrivedAt < STALE_MS;
    if (live !== this.live) {
      this.live = live;
      this.options.show(live);
    }
  };

  private note(drawn: boolean, now: number): void {
    if (drawn) {
      this.drawnAt = now;
      this.failingSince = null;
    } else if (this.failingSince === null) {
      this.failingSince = now;
    } else if (now - this.failingSince > STALE_MS) {
      this.failingSince = Infinity; // say it once
      this.options.lost();
    }
  }

  private async measure(): Promise<void> {
    const stats = await this.options.sound().catch(() => null);
    if (stats) this.clock.sound(stats);
  }
}

/** As many pixels as the screen has where the canvas is. */
function fit(canvas: HTMLCanvasElement): void {
  const { clientWidth, clientHeight } = canvas;
  const ratio = Math.min(devicePixelRatio, MAX_PIXELS / Math.max(1, clientWidth, clientHeight));
  const [width, height] = [Math.round(clientWidth * ratio), Math.round(clientHeight * ratio)];
  if (canvas.width !== width || canvas.height !== height) {
    [canvas.width, canvas.height] = [width, height];
  }
}

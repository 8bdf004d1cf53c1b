/** The poses that have arrived, and the one to show. */

import { between, type Pose, type Timed } from "./wire";

const KEPT_MS = 2000;
/** Poses further apart than this are not joined: what was lost between them was a movement. */
const JOINED_MS = 200;

export class Poses {
  private readonly waiting: Timed[] = [];

  /** In any order: the channel does not keep one. */
  add(timed: Timed): void {
    let place = this.waiting.length;
    while (place > 0 && (this.waiting[place - 1] as Timed).at > timed.at) place--;
    if (this.waiting[place - 1]?.at === timed.at) return;
    this.waiting.splice(place, 0, timed);
    const newest = (this.waiting.at(-1) as Timed).at;
    while ((this.waiting[0] as Timed).at < newest - KEPT_MS) this.waiting.shift();
  }

  /** The pose at a media time: between its neighbours, or the nearest; null where there is none. */
  at(time: number): Pose | null {
    const next = this.waiting.findIndex((timed) => timed.at > time);
    if (next === 0) return (this.waiting[0] as Timed).pose;
    const before = this.waiting.at(next < 0 ? -1 : next - 1);
    if (next < 0 || !before) return before?.pose ?? null;
    const after = this.waiting[next] as Timed;
    if (after.at - before.at > JOINED_MS) return before.pose;
    return between(before.pose, after.pose, (time - before.at) / (after.at - before.at));
  }
}

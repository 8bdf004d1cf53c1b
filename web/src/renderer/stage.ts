/** A rig made ready to be drawn: its keys measured, its eyes and its mouth: visavis.avatar.stage. */

import { clip, flat, type Mesh, x, y, z } from "./mesh";
import type { Region, Rig, Weights } from "./rig";
import { POINTS, type Topology } from "./topology";

const REGIONS: readonly Region[] = ["mouth", "eyes", "brows"];
/** A key of which a pose has less is not drawn; from there it comes in gradually. */
const FAINT = 0.12;

export interface StageKey {
  readonly region: Region;
  /** Its dot product with a pose's coefficients is how much of the key that pose has. */
  readonly direction: Float32Array;
  /** For each point x, y in the key's picture, and 0 to 1: the part of the face it speaks for. */
  readonly points: Float32Array;
  /** Which of the rig's keys it is. */
  readonly index: number;
}

export interface Eyeball {
  /** Centre x, y, radius, and the radius where nothing moves. */
  readonly iris: readonly [number, number, number, number];
  readonly width: number;
  /** Its z. */
  readonly depth: number;
  /** How far the lids are apart at rest. */
  readonly open: number;
}

/** The lips that an open mouth was seen between (x y), and its chin's y. */
export interface Interior {
  readonly upper: Float32Array;
  readonly lower: Float32Array;
  readonly chinY: number;
}

/** Those drawn over the neutral face, of one region after the other. */
export function stageKeys(rig: Rig, mesh: Mesh): StageKey[] {
  return REGIONS.flatMap((region) => {
    const mask = regionMask(region, mesh);
    return rig.keys.flatMap((key, index) => {
      if (key.region !== region || key.name === "eyeWide") return [];
      const direction = vector(mesh.topology, key.coefficients);
      const square = direction.reduce((sum, weight) => sum + weight * weight, 0);
      const points = new Float32Array(3 * POINTS);
      for (let i = 0; i < POINTS; i++) {
        points.set([x(key.points, i), y(key.points, i), mask[i] as number], 3 * i);
      }
      return [{ region, direction: direction.map((w) => w / square), points, index }];
    });
  });
}

function late(share: number): number {
  const t = clip((share - 0.4) / 0.35);
  return t * t * (3 - 2 * t);
}

/** Keys to draw one over the other, so that each ends up with its share of the pose. */
export function activeKeys(
  keys: readonly StageKey[],
  coefficients: Float32Array,
): { key: StageKey; alpha: number }[] {
  return REGIONS.flatMap((region) => {
    const here = keys.filter((key) => key.region === region);
    let shares = here.map(({ direction }) => {
      const amount = direction.reduce((sum, w, i) => sum + w * (coefficients[i] as number), 0);
      return clip((amount - FAINT) / (1 - FAINT));
    });
    // two rows of lashes show half-way: let the closed lid come late
    if (region === "eyes") shares = shares.map(late);
    const total = Math.max(1, shares.reduce((sum, share) => sum + share, 0));
    let left = 1;
    const later: { key: StageKey; alpha: number }[] = [];
    for (let i = here.length - 1; i >= 0; i--) {
      const share = (shares[i] as number) / total;
      if (share <= 0.01) continue;
      later.push({ key: here[i] as StageKey, alpha: Math.min(1, share / Math.max(left, 1e-3)) });
      left -= share;
    }
    return later.reverse();
  });
}

export function eyeballs(rig: Rig, mesh: Mesh): Eyeball[] {
  const points = eyePoints(rig, mesh);
  return mesh.topology.eyes.map(({ upper, lower, iris }) => {
    const [cx, cy] = [x(points, iris), y(points, iris)];
    const rim = [1, 2, 3, 4].map((k) => iris + k);
    const radius =
      rim.reduce((sum, i) => sum + Math.hypot(x(points, i) - cx, y(points, i) - cy), 0) / 4;
    const width = x(mesh.points, upper.at(-1) as number) - x(mesh.points, upper[0] as number);
    const inner = 1.15 * radius;
    return {
      iris: [cx, cy, inner, inner + 0.5 * width] as const,
      width,
      depth: upper.reduce((sum, i) => sum + z(mesh.points, i), 0) / upper.length,
      open: aperture(mesh.points, upper, lower),
    };
  });
}

/** Where the eyes are in the picture that they are taken from. */
export function eyePoints(rig: Rig, mesh: Mesh): Float32Array {
  return rig.keys.find((key) => key.name === "eyeWide")?.points ?? mesh.points;
}

/** Between the lips of a key, where the rig has one with an open mouth. */
export function seenInterior(rig: Rig, { upperLip, lowerLip, chin }: Topology): Interior | null {
  const key = rig.keys.find(({ name }) => name === "jawOpen");
  if (!key) return null;
  const points = flat(key.points);
  return {
    upper: curve(points, upperLip),
    lower: curve(points, lowerLip),
    chinY: y(key.points, chin),
  };
}

/** The points (x y) of a loop, one after the other. */
export function curve(points: Float32Array, loop: readonly number[]): Float32Array {
  return Float32Array.from(
    loop.flatMap((i) => [points[2 * i] as number, points[2 * i + 1] as number]),
  );
}

/** How far two edges are apart where they are furthest. */
export function aperture(
  points: Float32Array,
  upper: readonly number[],
  lower: readonly number[],
): number {
  return Math.max(...upper.map((up, k) => y(points, lower[k] as number) - y(points, up)));
}

/** From corner to corner of a curve of points. */
export function breadth(points: Float32Array, curve: readonly number[]): number {
  return x(points, curve[curve.length - 1] as number) - x(points, curve[0] as number);
}

export function vector(topology: Topology, weights: Weights): Float32Array {
  return Float32Array.from(topology.arkit, (name) => weights[name] ?? 0);
}

/** 0 to 1: how much a key of the region counts at each point of the face. */
function regionMask(region: Region, { topology, points, unit }: Mesh): Float32Array {
  const mean = (of: typeof x, loop: readonly number[]) =>
    loop.reduce((sum, i) => sum + of(points, i), 0) / loop.length / unit;
  const eyes = topology.eyes.map(({ upper, lower }) => {
    const lids = [...upper, ...lower];
    return [mean(x, lids), mean(y, lids)] as const;
  });
  const eyeY = eyes.reduce((sum, [, ey]) => sum + ey, 0) / eyes.length;
  const down = mean(y, topology.upperLip) - eyeY;
  const mask = Float32Array.from({ length: POINTS }, (_, i) => {
    const [px, py] = [x(points, i) / unit, y(points, i) / unit];
    if (region === "mouth") return ramp(py, eyeY + 0.2 * down, eyeY + 0.5 * down);
    if (region === "brows") return ramp(-py, -eyeY + 0.02, -eyeY + 0.12);
    const away = Math.min(...eyes.map(([ex, ey]) => Math.hypot(px - ex, 1.5 * (py - ey))));
    return 1 - ramp(away, 0.26, 0.4);
  });
  for (const i of topology.oval) mask[i] = 0;
  return mask;
}

function ramp(value: number, start: number, end: number): number {
  const t = clip((value - start) / (end - start));
  return t * t * (3 - 2 * t);
}

/**
 * The rig's geometry, and what a pose makes of it: visavis.avatar.mesh in the browser. All in
 * texture pixels; points are flat, x y z.
 */

import type { Rig } from "./rig";
import { POINTS, type Topology, WEIGHTS } from "./topology";
import type { Pose } from "./wire";

export type Vec3 = readonly [number, number, number];

/** In sizes of the outline; the last lies beyond any picture's corners. */
const RINGS = [1.05, 1.12, 1.22, 1.36, 1.55, 1.85, 2.4, 3.4, 20];
/** How far each lip ring, outside to inside, follows lips that are pressed together. */
const SEAL = [0, 0.25, 0.6, 1];
/** Lips further apart than this share of the eye distance belong to an open mouth. */
const OPEN_AT_REST = 0.05;

export interface Mesh {
  readonly topology: Topology;
  readonly points: Float32Array;
  readonly deltas: Float32Array;
  /** The distance of the outer eye corners. */
  readonly unit: number;
  readonly pivot: Vec3;
  readonly faces: readonly number[];
  readonly holes: readonly number[];
  readonly ringPoints: Float32Array;
  readonly ringFaces: readonly number[];
  /** x y, the outline first. */
  readonly ringSource: Float32Array;
  readonly follow: Float32Array;
  readonly head: Float32Array;
}

/** The mesh in a pose: `still` before the head turns, `face` (x y) after, `rings` (x y) likewise. */
export interface Posed {
  readonly still: Float32Array;
  readonly face: Float32Array;
  readonly rings: Float32Array;
  readonly rotation: readonly number[];
  readonly rise: number;
}

export function x(points: Float32Array, i: number): number {
  return points[3 * i] as number;
}
export function y(points: Float32Array, i: number): number {
  return points[3 * i + 1] as number;
}
export function z(points: Float32Array, i: number): number {
  return points[3 * i + 2] as number;
}

/** `shared` is the generic table, in units of the outer eye distance; for rigs without their own. */
export function buildMesh(rig: Rig, topology: Topology, shared: Float32Array | null): Mesh {
  const points = rig.points.slice();
  const [right, left] = topology.outerEyeCorners;
  const unit = Math.hypot(x(points, right) - x(points, left), y(points, right) - y(points, left));
  const deltas = rig.deltas?.slice() ?? shared?.map((delta) => delta * unit);
  if (!deltas) throw new Error("the rig has no deltas of its own, and no shared ones were given");
  shutAtRest(topology, points, unit);
  exactBlink(topology, points, deltas, rig.deltas !== null);
  const rings = makeRings(topology, points);
  const outline = topology.oval.flatMap((i) => [x(points, i), y(points, i)]);
  const ringSource = Float32Array.from([...outline, ...flat(rings.points)]);
  return {
    topology,
    points,
    deltas,
    unit,
    pivot: rig.manifest.pivot ?? neck(topology, points),
    faces: facing(topology.triangles, flat(points)),
    holes: holes(topology),
    ringPoints: rings.points,
    ringFaces: facing(ringFaces(topology.oval.length), ringSource),
    ringSource,
    follow: rings.follow,
    head: rings.head,
  };
}

/** Where every point goes: expression, closed lips and lids, turned head, breath. */
export function posed(mesh: Mesh, pose: Pose): Posed {
  const { topology, pivot } = mesh;
  const still = expressed(mesh, pose.coefficients);
  pressLips(topology, still, pose.close);
  for (const { upper, lower } of topology.eyes) notPast(still, inner(upper), inner(lower));
  const rotation = turn(pose);
  const rise = pose.breath * 0.014 * mesh.unit;
  const face = new Float32Array(2 * POINTS);
  for (let i = 0; i < POINTS; i++) {
    const [fx, fy] = turned(rotation, pivot, x(still, i), y(still, i), z(still, i));
    face[2 * i] = fx;
    face[2 * i + 1] = fy - 0.6 * rise;
  }
  return { still, face, rings: posedRings(mesh, still, face, rotation, rise), rotation, rise };
}

/** From drawn pixels back to where they were at `depth` before the head turned: 2 × 3, by rows. */
export function backTo(at: Posed, pivot: Vec3, depth: number): number[] {
  const r = at.rotation as number[] & { length: 9 };
  const [a, b, c, d] = [r[0] as number, r[1] as number, r[3] as number, r[4] as number];
  const behindX = (r[2] as number) * (depth - pivot[2]) + pivot[0];
  const behindY = (r[5] as number) * (depth - pivot[2]) + pivot[1] - 0.6 * at.rise;
  const det = a * d - b * c;
  const [ia, ib, ic, id] = [d / det, -b / det, -c / det, a / det];
  return [
    ...[ia, ib, pivot[0] - ia * behindX - ib * behindY],
    ...[ic, id, pivot[1] - ic * behindX - id * behindY],
  ];
}

function expressed(mesh: Mesh, coefficients: Float32Array): Float32Array {
  const still = mesh.points.slice();
  const step = 3 * POINTS;
  for (let k = 0; k < WEIGHTS; k++) {
    const weight = coefficients[k] as number;
    if (weight === 0) continue;
    const delta = mesh.deltas.subarray(k * step, (k + 1) * step);
    for (let i = 0; i < step; i++) still[i] = (still[i] as number) + weight * (delta[i] as number);
  }
  return still;
}

function posedRings(
  mesh: Mesh,
  still: Float32Array,
  face: Float32Array,
  rotation: readonly number[],
  rise: number,
): Float32Array {
  const { oval } = mesh.topology;
  const n = oval.length;
  const count = mesh.ringPoints.length / 3;
  const out = new Float32Array(2 * (n + count));
  oval.forEach((i, k) => out.set(face.subarray(2 * i, 2 * i + 2), 2 * k));
  for (let i = 0; i < count; i++) {
    const on = oval[i % n] as number;
    const follow = mesh.follow[i] as number;
    const head = mesh.head[i] as number;
    const [px, py, pz] = [x, y, z].map(
      (of) => of(mesh.ringPoints, i) + follow * (of(still, on) - of(mesh.points, on)),
    ) as [number, number, number];
    const [tx, ty] = turned(rotation, mesh.pivot, px, py, pz);
    out[2 * (n + i)] = px + head * (tx - px);
    out[2 * (n + i) + 1] = py + head * (ty - py) - rise * (1 - 0.4 * head);
  }
  return out;
}

function turn(pose: Pose): number[] {
  const [cy, sy] = [Math.cos(pose.yaw), Math.sin(pose.yaw)];
  const [cp, sp] = [Math.cos(pose.pitch), Math.sin(pose.pitch)];
  const [cr, sr] = [Math.cos(pose.roll), Math.sin(pose.roll)];
  const roll = [cr, -sr, 0, sr, cr, 0, 0, 0, 1];
  const yaw = [cy, 0, -sy, 0, 1, 0, sy, 0, cy];
  const pitch = [1, 0, 0, 0, cp, -sp, 0, sp, cp];
  return times(times(roll, yaw), pitch);
}

function times(a: readonly number[], b: readonly number[]): number[] {
  return Array.from({ length: 9 }, (_, i) =>
    [0, 1, 2].reduce(
      (sum, k) => sum + (a[3 * Math.floor(i / 3) + k] as number) * (b[3 * k + (i % 3)] as number),
      0,
    ),
  );
}

function turned(r: readonly number[], pivot: Vec3, px: number, py: number, pz: number) {
  const [dx, dy, dz] = [px - pivot[0], py - pivot[1], pz - pivot[2]];
  return [
    (r[0] as number) * dx + (r[1] as number) * dy + (r[2] as number) * dz + pivot[0],
    (r[3] as number) * dx + (r[4] as number) * dy + (r[5] as number) * dz + pivot[1],
  ] as const;
}

/** Draw the lips towards their seam by `amount`, and never let them pass through. */
function pressLips(topology: Topology, points: Float32Array, amount: number): void {
  const [upper, lower] = [inner(topology.upperLip), inner(topology.lowerLip)];
  if (amount > 0) {
    const ends = points.slice(); // the rings move by where the inner edges were
    topology.lipRings.forEach((lip, side) => {
      const edge = side === 0 ? upper : lower;
      lip.forEach((ring, at) => {
        inner(ring).forEach((i, k) => {
          for (let axis = 0; axis < 3; axis++) {
            const up = ends[3 * (upper[k] as number) + axis] as number;
            const low = ends[3 * (lower[k] as number) + axis] as number;
            const to = 0.45 * up + 0.55 * low - (ends[3 * (edge[k] as number) + axis] as number);
            points[3 * i + axis] = (points[3 * i + axis] as number) + amount * (SEAL[at] as number) * to;
          }
        });
      });
    });
  }
  notPast(points, upper, lower);
}

/** Where the upper edge is below the lower one, both meet half-way. */
function notPast(points: Float32Array, upper: readonly number[], lower: readonly number[]): void {
  upper.forEach((up, k) => {
    const low = lower[k] as number;
    const excess = Math.max(y(points, up) - y(points, low), 0) / 2;
    points[3 * up + 1] = y(points, up) - excess;
    points[3 * low + 1] = y(points, low) + excess;
  });
}

/** A detector leaves a sliver between closed lips: make them meet. */
function shutAtRest({ upperLip, lowerLip }: Topology, points: Float32Array, unit: number): void {
  const gaps = upperLip.map((up, k) => Math.abs(y(points, lowerLip[k] as number) - y(points, up)));
  if (Math.max(...gaps) >= OPEN_AT_REST * unit) return;
  upperLip.forEach((up, k) => {
    const low = lowerLip[k] as number;
    for (let axis = 0; axis < 3; axis++) {
      const middle = ((points[3 * up + axis] as number) + (points[3 * low + axis] as number)) / 2;
      points[3 * up + axis] = points[3 * low + axis] = middle;
    }
  });
}

/** Make eyeBlink at 1 close the eye exactly: the lids meet near the lower one. */
function exactBlink(topology: Topology, points: Float32Array, deltas: Float32Array, own: boolean) {
  topology.eyes.forEach(({ upper, lower, skin }, eye) => {
    const name = eye === 0 ? "eyeBlinkRight" : "eyeBlinkLeft";
    const from = topology.arkit.indexOf(name) * 3 * POINTS;
    const blink = deltas.subarray(from, from + 3 * POINTS);
    if (!own) blink.fill(0);
    // all seams from the points as they were: the corners are in both lids
    const seams = upper.map((up, k) => {
      const low = lower[k] as number;
      return [0, 1, 2].map((axis) => {
        const at = points[3 * low + axis] as number;
        return own
          ? at + (blink[3 * low + axis] as number)
          : at + 0.12 * ((points[3 * up + axis] as number) - at);
      });
    });
    const toSeam = (lid: readonly number[]) =>
      lid.forEach((i, k) => {
        for (let axis = 0; axis < 3; axis++) {
          blink[3 * i + axis] = (seams[k]?.[axis] as number) - (points[3 * i + axis] as number);
        }
      });
    if (!own) toSeam(lower);
    toSeam(upper);
    if (own) return;
    skin.forEach((row, at) => {
      row.forEach((i, k) => {
        for (let axis = 0; axis < 3; axis++) {
          const lid = blink[3 * (inner(upper)[k] as number) + axis] as number;
          blink[3 * i + axis] = (at === 0 ? 0.45 : 0.1) * lid;
        }
      });
    });
  });
}

/** Where the head turns: under the ears, behind the face. */
function neck({ oval, chin, forehead }: Topology, points: Float32Array): Vec3 {
  const tall = y(points, chin) - y(points, forehead);
  const across = oval.reduce((sum, i) => sum + x(points, i), 0) / oval.length;
  const behind = Math.max(...oval.map((i) => z(points, i)));
  return [across, y(points, chin) - 0.02 * tall, behind];
}

/** Ring points; how they follow the outline's expression; how they follow the head. */
function makeRings({ oval, chin, forehead }: Topology, points: Float32Array) {
  const tall = y(points, chin) - y(points, forehead);
  const mean = (of: typeof x) => oval.reduce((sum, i) => sum + of(points, i), 0) / oval.length;
  const [cx, cy] = [mean(x), mean(y)];
  const out: number[] = [];
  const follow: number[] = [];
  const head: number[] = [];
  for (const ring of RINGS) {
    // hair and ears lie behind the outline, then the silhouette is as deep as it gets
    const behind = 0.28 * tall * (1 - Math.exp(-2.5 * (ring - 1)));
    for (const i of oval) {
      const py = cy + (y(points, i) - cy) * ring;
      out.push(cx + (x(points, i) - cx) * ring, py, z(points, i) + behind);
      follow.push(Math.max(0, 1 - (ring - 1) / 0.5) ** 2);
      const below = clip((py - y(points, chin) - 0.02 * tall) / (0.5 * tall));
      head.push(1 - below * below * (3 - 2 * below));
    }
  }
  return {
    points: Float32Array.from(out),
    follow: Float32Array.from(follow),
    head: Float32Array.from(head),
  };
}

/** Outer rings first: inner ones lie on top. */
function ringFaces(n: number): number[] {
  const out: number[] = [];
  for (let k = RINGS.length - 1; k >= 0; k--) {
    const quads = Array.from({ length: n }, (_, i) => [k * n + i, k * n + ((i + 1) % n)] as const);
    for (const [a, b] of quads) out.push(a, a + n, b + n);
    for (const [a, b] of quads) out.push(a, b + n, b);
  }
  return out;
}

/** Fans over mouth and eyes: what lies there at rest, until eyeballs and mouth are drawn. */
function holes({ upperLip, lowerLip, eyes }: Topology): number[] {
  const out: number[] = [];
  for (const { upper, lower } of [{ upper: upperLip, lower: lowerLip }, ...eyes]) {
    for (let i = 0; i + 1 < upper.length; i++) {
      const [a, b] = [upper[i] as number, upper[i + 1] as number];
      const [c, d] = [lower[i + 1] as number, lower[i] as number];
      if (b !== c) out.push(a, b, c);
      if (a !== d) out.push(a, c, d);
    }
  }
  return out;
}

/** The triangles, all wound so that their area (y down) is positive at rest. `at` is x y. */
function facing(faces: readonly number[], at: Float32Array): number[] {
  const out: number[] = [];
  for (let i = 0; i < faces.length; i += 3) {
    const [a, b, c] = [faces[i] as number, faces[i + 1] as number, faces[i + 2] as number];
    const [ax, ay] = [at[2 * a] as number, at[2 * a + 1] as number];
    const [bx, by] = [at[2 * b] as number, at[2 * b + 1] as number];
    const [cx, cy] = [at[2 * c] as number, at[2 * c + 1] as number];
    const area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay);
    out.push(a, ...(area < 0 ? [c, b] : [b, c]));
  }
  return out;
}

/** x y of x y z. */
export function flat(points: Float32Array): Float32Array {
  const out = new Float32Array((points.length / 3) * 2);
  for (let i = 0; i < points.length / 3; i++) {
    out[2 * i] = x(points, i);
    out[2 * i + 1] = y(points, i);
  }
  return out;
}

export function inner(loop: readonly number[]): readonly number[] {
  return loop.slice(1, -1);
}

export function clip(value: number): number {
  return Math.min(1, Math.max(0, value));
}

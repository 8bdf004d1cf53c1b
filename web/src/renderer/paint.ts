/** Pictures made on the CPU, once a rig: the inside of a mouth never seen open, hidden eyeballs. */

import { clip, flat, type Mesh, x, y } from "./mesh";
import { curve, type Interior } from "./stage";

/** A piece of a picture: RGBA rows, and where its first pixel lies. */
export interface Patch {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
  readonly pixels: Uint8Array;
}

const DARK = [38, 14, 18] as const;
const TOOTH = [232, 224, 212] as const;
const TONGUE = [150, 66, 68] as const;

/** A dark cavity with two rows of teeth and a tongue, as wide as this mouth at rest. */
export function paintMouth(mesh: Mesh, size: number): { patch: Patch; interior: Interior } {
  const { upperLip, lowerLip, chin } = mesh.topology;
  const [start, end] = [upperLip[0] as number, upperLip.at(-1) as number];
  const [left, seam] = [x(mesh.points, start), y(mesh.points, start)];
  const wide = x(mesh.points, end) - left;
  const box = inside(left - 0.2 * wide, seam - 0.4 * wide, left + 1.2 * wide, seam + wide, size);
  const colours = new Float32Array(3 * box.width * box.height);
  for (let j = 0, n = 0; j < box.height; j++) {
    for (let i = 0; i < box.width; i++, n += 3) {
      const u = ((box.left + i + 0.5 - left) / wide) * 2 - 1;
      const v = (box.top + j + 0.5 - seam) / wide;
      colours.set(mouthColour(u, v), n);
    }
  }
  const pixels = blurred(colours, box.width, box.height, Math.max(0.4, 0.009 * wide));
  const bow = (loop: readonly number[], depth: number) => bowed(mesh, loop, depth);
  return {
    patch: { ...box, pixels },
    interior: {
      upper: bow(upperLip, -0.02),
      lower: bow(lowerLip, 0.62),
      chinY: y(mesh.points, chin) + 0.5 * wide,
    },
  };
}

/** `u` is -1 to 1 from corner to corner, `v` down from the seam in mouth widths. */
function mouthColour(u: number, v: number): number[] {
  const roundOff = clip(1 - 0.75 * u * u);
  const deep = Math.min(1, Math.max(0.35, 0.9 - 0.8 * (v - 0.2)));
  const tongue = roundOff * soft(1 - Math.hypot(u / 0.72, (v - 0.58) / 0.27), 0.25);
  const lower = 0.7 * roundOff * soft(0.085 - Math.abs(v - 0.56 + 0.1 * u * u), 0.03);
  const edge = 0.17 - 0.075 * u * u + 0.004 * Math.cos(u * 24);
  const upper = roundOff * soft(Math.min(edge - v, v + 0.3), 0.025);
  const shine = (0.62 + 0.42 * clip((v + 0.05) / 0.2)) * clip(1.02 - 0.5 * u * u);
  return [0, 1, 2].map((n) => {
    let colour = (DARK[n] as number) * deep;
    colour += tongue * ((TONGUE[n] as number) * (1.05 - 0.35 * Math.abs(u)) - colour);
    colour += lower * ((TOOTH[n] as number) * 0.8 - colour);
    return colour + upper * ((TOOTH[n] as number) * shine - colour);
  });
}

function soft(within: number, width: number): number {
  return clip(within / width + 0.5);
}

/** The lip's points at rest, bowed down by `depth` mouth widths in the middle. */
function bowed(mesh: Mesh, loop: readonly number[], depth: number): Float32Array {
  const out = curve(flat(mesh.points), loop);
  const [first, last] = [out[0] as number, out[out.length - 2] as number];
  const level = out[1] as number;
  const wide = last - first;
  const middle = loop.reduce((sum, _, k) => sum + (out[2 * k] as number), 0) / loop.length;
  loop.forEach((_, k) => {
    const u = ((out[2 * k] as number) - middle) / (wide / 2);
    out[2 * k + 1] = level + depth * wide * clip(1 - u * u);
  });
  return out;
}

function blurred(colours: Float32Array, width: number, height: number, sigma: number): Uint8Array {
  const reach = Math.ceil(3 * sigma);
  const kernel = Array.from({ length: 2 * reach + 1 }, (_, i) =>
    Math.exp(-((i - reach) ** 2) / (2 * sigma * sigma)),
  );
  const sum = kernel.reduce((a, b) => a + b, 0);
  const pass = (from: Float32Array, across: boolean) => {
    const out = new Float32Array(from.length);
    for (let j = 0; j < height; j++) {
      for (let i = 0; i < width; i++) {
        kernel.forEach((weight, k) => {
          const ii = across ? Math.min(width - 1, Math.max(0, i + k - reach)) : i;
          const jj = across ? j : Math.min(height - 1, Math.max(0, j + k - reach));
          for (let n = 0; n < 3; n++) {
            const at = 3 * (j * width + i) + n;
            const near = from[3 * (jj * width + ii) + n] as number;
            out[at] = (out[at] as number) + (weight / sum) * near;
          }
        });
      }
    }
    return out;
  };
  const out = pass(pass(colours, true), false);
  const pixels = new Uint8Array(4 * width * height).fill(255);
  for (let i = 0; i < width * height; i++) {
    for (let n = 0; n < 3; n++) {
      pixels[4 * i + n] = Math.min(255, Math.max(0, out[3 * i + n] as number));
    }
  }
  return pixels;
}

/** The part of a square picture around an eye that its eyeball may be drawn from. */
export function eyeBox(points: Float32Array, lids: readonly number[], unit: number, size: number) {
  const xs = lids.map((i) => x(points, i));
  const ys = lids.map((i) => y(points, i));
  const margin = Math.floor(0.2 * unit);
  return inside(
    ...([Math.min(...xs) - margin, Math.min(...ys) - margin] as const),
    ...([Math.max(...xs) + margin, Math.max(...ys) + margin] as const),
    size,
  );
}

/** Continue an eyeball under lids and lashes; `loop` (x y) is the edge of the lids. */
export function withoutLids(patch: Patch, loop: Float32Array, unit: number): void {
  const { width, height, pixels } = patch;
  const known = new Uint8Array(width * height);
  for (let j = 0; j < height; j++) {
    for (let i = 0; i < width; i++) {
      known[j * width + i] = Number(isInside(loop, patch.left + i, patch.top + j));
    }
  }
  for (let n = Math.max(1, Math.round(unit / 90)); n > 0; n--) erode(known, width, height);
  // ring by ring outward, each pixel from those known near it
  for (let ring = ringOf(known, width, height); ring.length > 0; ) {
    for (const at of ring) fill(pixels, known, width, height, at);
    for (const at of ring) known[at] = 1;
    ring = ringOf(known, width, height);
  }
}

const NEAR = 3;

function fill(pixels: Uint8Array, known: Uint8Array, width: number, height: number, at: number) {
  const [i, j] = [at % width, Math.floor(at / width)];
  const sums = [0, 0, 0, 0] as [number, number, number, number];
  for (let y2 = Math.max(0, j - NEAR); y2 <= Math.min(height - 1, j + NEAR); y2++) {
    for (let x2 = Math.max(0, i - NEAR); x2 <= Math.min(width - 1, i + NEAR); x2++) {
      const near = y2 * width + x2;
      if (!known[near]) continue;
      const weight = 1 / ((x2 - i) ** 2 + (y2 - j) ** 2);
      for (let n = 0; n < 3; n++) {
        sums[n as 0] += weight * (pixels[4 * near + n] as number);
      }
      sums[3] += weight;
    }
  }
  for (let n = 0; n < 3; n++) pixels[4 * at + n] = Math.round((sums[n] as number) / sums[3]);
}

/** The pixels that are not known and touch one that is. */
function ringOf(known: Uint8Array, width: number, height: number): number[] {
  const ring: number[] = [];
  for (let at = 0; at < known.length; at++) {
    if (known[at]) continue;
    const [i, j] = [at % width, Math.floor(at / width)];
    const touches =
      (i > 0 && known[at - 1]) ||
      (i + 1 < width && known[at + 1]) ||
      (j > 0 && known[at - width]) ||
      (j + 1 < height && known[at + width]);
    if (touches) ring.push(at);
  }
  return ring;
}

/** Forget what touches the unknown, corners too. */
function erode(known: Uint8Array, width: number, height: number): void {
  const before = known.slice();
  for (let j = 0; j < height; j++) {
    for (let i = 0; i < width; i++) {
      for (let y2 = Math.max(0, j - 1); y2 <= Math.min(height - 1, j + 1); y2++) {
        for (let x2 = Math.max(0, i - 1); x2 <= Math.min(width - 1, i + 1); x2++) {
          if (!before[y2 * width + x2]) known[j * width + i] = 0;
        }
      }
    }
  }
}

function isInside(loop: Float32Array, px: number, py: number): boolean {
  let odd = false;
  const n = loop.length / 2;
  for (let i = 0, j = n - 1; i < n; j = i++) {
    const [ax, ay] = [loop[2 * i] as number, loop[2 * i + 1] as number];
    const [bx, by] = [loop[2 * j] as number, loop[2 * j + 1] as number];
    if (ay > py !== by > py && px < ((bx - ax) * (py - ay)) / (by - ay) + ax) odd = !odd;
  }
  return odd;
}

function inside(x0: number, y0: number, x1: number, y1: number, size: number) {
  const [left, top] = [Math.max(0, Math.floor(x0)), Math.max(0, Math.floor(y0))];
  const [right, bottom] = [Math.min(size, Math.ceil(x1)), Math.min(size, Math.ceil(y1))];
  return { left, top, width: right - left, height: bottom - top };
}

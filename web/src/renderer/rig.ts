/** The `.avatar` file, read for drawing. The format is described in docs/avatar-format.md. */

import { POINTS, WEIGHTS } from "./topology";
import { unzip } from "./zip";

export type Region = "mouth" | "eyes" | "brows";
export type Weights = Readonly<Record<string, number>>;

export interface Manifest {
  readonly size: number;
  readonly background: readonly [string, string];
  readonly pivot: readonly [number, number, number] | null;
  readonly gaze: number;
}

export interface Key {
  readonly name: string;
  readonly region: Region;
  readonly coefficients: Weights;
  readonly picture: Blob;
  /** 478 × 3, texture pixels. */
  readonly points: Float32Array;
}

export interface Rig {
  readonly manifest: Manifest;
  readonly picture: Blob;
  readonly background: Blob | null;
  readonly points: Float32Array;
  /** 52 × 478 × 3 in texture pixels; null where the shared table is to be used. */
  readonly deltas: Float32Array | null;
  readonly keys: readonly Key[];
}

export async function readRig(file: ArrayBuffer): Promise<Rig> {
  const members = await unzip(file);
  const bytes = (name: string): Uint8Array<ArrayBuffer> => {
    const found = members.get(name);
    if (!found) throw new Error(`the rig has no ${name}`);
    return found;
  };
  const picture = (name: string) => new Blob([bytes(name)], { type: "image/webp" });
  const manifest = JSON.parse(new TextDecoder().decode(bytes("avatar.json"))) as {
    schema_version: number;
    size: number;
    background?: [string, string];
    pivot?: [number, number, number] | null;
    limits?: { gaze?: number };
    keys?: Record<string, { region: Region; coefficients: Weights }>;
  };
  if (manifest.schema_version !== 1) throw new Error("the rig is of an unknown version");
  return {
    manifest: {
      size: manifest.size,
      background: manifest.background ?? ["#6b7d88", "#3b4852"],
      pivot: manifest.pivot ?? null,
      gaze: manifest.limits?.gaze ?? 1,
    },
    picture: picture("texture.webp"),
    background: members.has("background.webp") ? picture("background.webp") : null,
    points: floats(bytes("landmarks.f32"), POINTS * 3),
    deltas: members.has("deltas.f16") ? halves(bytes("deltas.f16"), WEIGHTS * POINTS * 3) : null,
    keys: Object.entries(manifest.keys ?? {}).map(([name, pose]) => ({
      name,
      region: pose.region,
      coefficients: pose.coefficients,
      picture: picture(`keys/${name}.webp`),
      points: floats(bytes(`keys/${name}.f32`), POINTS * 3),
    })),
  };
}

/** Little-endian float32. */
export function floats(data: Uint8Array, count: number): Float32Array {
  if (data.length !== 4 * count) throw new Error(`expected ${count} numbers`);
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  return Float32Array.from({ length: count }, (_, i) => view.getFloat32(4 * i, true));
}

/** Little-endian float16, which few engines can read by themselves. */
export function halves(data: Uint8Array, count: number): Float32Array {
  if (data.length !== 2 * count) throw new Error(`expected ${count} numbers`);
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const out = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    const bits = view.getUint16(2 * i, true);
    const exponent = (bits >> 10) & 0x1f;
    const fraction = bits & 0x3ff;
    const size =
      exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15);
    out[i] = exponent === 31 ? NaN : bits & 0x8000 ? -size : size;
  }
  return out;
}

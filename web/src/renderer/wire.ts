/** A pose on the wire: the same 71 bytes as visavis.avatar.wire. */

import { WEIGHTS } from "./topology";

export const CHANNEL = "coefficients";
export const VERSION = 1;
export const FRAME_BYTES = 71;
const STEPS = 20_000;

/** What a face does at one instant; see visavis.avatar.coefficients.Pose. */
export interface Pose {
  /** 52 ARKit coefficients, 0 to 1. */
  readonly coefficients: Float32Array;
  readonly close: number;
  readonly yaw: number;
  readonly pitch: number;
  readonly roll: number;
  readonly gazeX: number;
  readonly gazeY: number;
  readonly breath: number;
}

/** A pose and the media time, in milliseconds, of the sound that is heard with it. */
export interface Timed {
  readonly at: number;
  readonly pose: Pose;
}

/** The pose in a frame; null where it is none that this page understands. */
export function decodePose(frame: ArrayBuffer): Timed | null {
  const view = new DataView(frame);
  if (view.byteLength !== FRAME_BYTES || view.getUint8(0) !== VERSION) return null;
  const coefficients = new Float32Array(WEIGHTS);
  for (let i = 0; i < WEIGHTS; i++) coefficients[i] = view.getUint8(7 + i) / 255;
  const steps = (at: number) => view.getInt16(at) / STEPS;
  return {
    at: view.getUint16(1) * 2 ** 32 + view.getUint32(3),
    pose: {
      coefficients,
      close: view.getUint8(59) / 255,
      yaw: steps(60),
      pitch: steps(62),
      roll: steps(64),
      gazeX: steps(66),
      gazeY: steps(68),
      breath: view.getInt8(70) / 127,
    },
  };
}

/** The pose `share` of the way from `a` to `b`. */
export function between(a: Pose, b: Pose, share: number): Pose {
  const mix = (x: number, y: number) => x + share * (y - x);
  return {
    coefficients: a.coefficients.map((x, i) => mix(x, b.coefficients[i] as number)),
    close: mix(a.close, b.close),
    yaw: mix(a.yaw, b.yaw),
    pitch: mix(a.pitch, b.pitch),
    roll: mix(a.roll, b.roll),
    gazeX: mix(a.gazeX, b.gazeX),
    gazeY: mix(a.gazeY, b.gazeY),
    breath: mix(a.breath, b.breath),
  };
}

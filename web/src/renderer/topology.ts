/**
 * The face mesh: which of its 478 points are lips, lids and outline, and its triangles. The server
 * sends it (`/avatars/face.json`), so that there is one table; see visavis.avatar.topology.
 */

export interface Topology {
  /** The 52 ARKit coefficients in the order used everywhere. */
  readonly arkit: readonly string[];
  /** Flat, three a triangle. */
  readonly triangles: readonly number[];
  readonly upperLip: readonly number[];
  readonly lowerLip: readonly number[];
  /** [upper, lower][ring, outside to inside][along the lip]. */
  readonly lipRings: readonly (readonly (readonly number[])[])[];
  /** For the person's right and left eye. */
  readonly eyes: readonly Eye[];
  readonly oval: readonly number[];
  readonly chin: number;
  readonly forehead: number;
  readonly outerEyeCorners: readonly [number, number];
}

export interface Eye {
  readonly upper: readonly number[];
  readonly lower: readonly number[];
  /** The centre of the iris; four points on its rim follow. */
  readonly iris: number;
  /** Rings of skin around it, from the lid outward. */
  readonly skin: readonly (readonly number[])[];
}

export const POINTS = 478;
export const WEIGHTS = 52;

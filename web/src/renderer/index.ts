/** The face, drawn in the browser. Loaded by pages when they need it, not before. */

export type { SoundStats } from "./clock";
export { LiveFace, openFace, type FaceFiles } from "./live";
export { Renderer, type Ground } from "./renderer";
export { halves, readRig } from "./rig";
export { decodePose } from "./wire";

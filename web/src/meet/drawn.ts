/** The face drawn on this page, from poses, instead of video. */

import type { FaceFiles } from "../renderer";
import type { Room } from "./room";

/** `?render=server` wants video; `?render=client` draws even where graphics are slow. */
const WISH = new URLSearchParams(location.search).get("render");

/** Whether this browser draws well enough to do without video. Costs a few milliseconds, once. */
export function canDraw(): boolean {
  if (WISH === "server") return false;
  if (!("DecompressionStream" in window) || !("createImageBitmap" in window)) return false;
  const options = { failIfMajorPerformanceCaveat: WISH !== "client" };
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("webgl2", options) as WebGL2RenderingContext | null;
  context?.getExtension("WEBGL_lose_context")?.loseContext();
  return context !== null;
}

/**
 * Draw the face in `canvas` as soon as it and the room are ready; `show` tells when it is there to
 * be seen. Returns how to stop; throws where the face cannot be had.
 */
export async function drawFace(
  joining: Promise<Room>,
  files: FaceFiles,
  canvas: HTMLCanvasElement,
  show: (drawn: boolean) => void,
): Promise<() => void> {
  const { LiveFace, openFace } = await import("../renderer");
  const renderer = await openFace(canvas, files, WISH === "client");
  const room = await joining.catch((error: unknown) => {
    renderer.close();
    throw error;
  });
  const face = new LiveFace(renderer, canvas, {
    sound: () => room.sound(),
    show,
    lost: () => channel.close(), // the agent then sends video
  });
  const channel = room.openPoses((frame) => face.take(frame));
  return () => {
    face.close();
    if (channel.readyState !== "closed") channel.close();
  };
}

/** The face drawn on this page, from poses, instead of video. */

import type { FaceFiles, LiveFace } from "../renderer";
import type { Room } from "./room";

/** `?render=server` wants video; `?render=client` draws even where graphics are slow. */
const WISH = new URLSearchParams(location.search).get("render");

/** Processors that play graphics card; not every browser owns up to them as a caveat. */
const SOFTWARE = /swiftshader|llvmpipe|software|basic render/i;

/** Whether this browser draws well enough to do without video. Costs a few milliseconds, once. */
export function canDraw(): boolean {
  if (WISH === "server") return false;
  if (!("DecompressionStream" in window) || !("createImageBitmap" in window)) return false;
  const options = { failIfMajorPerformanceCaveat: WISH !== "client" };
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("webgl2", options) as WebGL2RenderingContext | null;
  if (!context) return false;
  const slow = WISH !== "client" && SOFTWARE.test(drawnBy(context));
  context.getExtension("WEBGL_lose_context")?.loseContext();
  return !slow;
}

/** What does the drawing, as far as the browser tells. */
function drawnBy(context: WebGL2RenderingContext): string {
  const info = context.getExtension("WEBGL_debug_renderer_info");
  return String(context.getParameter(info ? info.UNMASKED_RENDERER_WEBGL : context.RENDERER));
}

/**
 * Draw the face in `canvas`; `show` tells when it is there to be seen. Poses are asked for as soon
 * as there is a room, so that no video comes first. Returns how to stop; throws where the face
 * cannot be had, and lets the agent send video.
 */
export async function drawFace(
  joining: Promise<Room>,
  files: FaceFiles,
  canvas: HTMLCanvasElement,
  show: (drawn: boolean) => void,
): Promise<() => void> {
  const renderer = import("../renderer");
  const opening = renderer.then(({ openFace }) => openFace(canvas, files, WISH === "client"));
  opening.catch(() => undefined); // looked at below
  const room = await joining.catch((error: unknown) => {
    void opening.then((opened) => opened.close());
    throw error;
  });
  let face: LiveFace | null = null;
  const channel = room.openPoses((frame) => face?.take(frame));
  try {
    const { LiveFace } = await renderer;
    const sound = () => room.sound();
    face = new LiveFace(await opening, canvas, { sound, show, lost: () => channel.close() });
  } catch (error) {
    channel.close();
    throw error;
  }
  return () => {
    face?.close();
    channel.close();
  };
}

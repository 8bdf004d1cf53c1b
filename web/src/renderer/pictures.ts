/**
 * All pictures of a rig in one array texture: the neutral face, each key, the eyeballs without
 * their lids, and a painted mouth where no key shows one.
 */

import { type Gl, Program, smooth, uploadPicture } from "./gl";
import type { Patch } from "./paint";
import { BLEED, KNOWN, WHOLE } from "./shaders";

export const NEUTRAL = 0;

export class Pictures {
  readonly texture: WebGLTexture;
  private readonly target: WebGLFramebuffer;

  /** `size` is the side of all pictures, in pixels. */
  constructor(
    private readonly gl: Gl,
    readonly size: number,
    layers: number,
  ) {
    const levels = Math.floor(Math.log2(size)) + 1;
    this.texture = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D_ARRAY, this.texture);
    gl.texStorage3D(gl.TEXTURE_2D_ARRAY, levels, gl.RGBA8, size, size, layers);
    smooth(gl, gl.TEXTURE_2D_ARRAY);
    this.target = gl.createFramebuffer();
  }

  /** Put pictures on the first layers, in order; transparent pixels get their neighbours' colour. */
  take(bitmaps: readonly ImageBitmap[]): void {
    const { gl, size } = this;
    const known = new Program(gl, WHOLE, KNOWN, ["at"]);
    const bleed = new Program(gl, WHOLE, BLEED, ["at"]);
    const weighed = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D, weighed);
    gl.texStorage2D(gl.TEXTURE_2D, Math.floor(Math.log2(size)) + 1, gl.RGBA8, size, size);
    smooth(gl, gl.TEXTURE_2D);
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.target);
    gl.viewport(0, 0, size, size);
    gl.disable(gl.BLEND);
    bitmaps.forEach((bitmap, layer) => {
      gl.activeTexture(gl.TEXTURE0);
      const raw = uploadPicture(gl, bitmap);
      gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.LINEAR);
      known.use().int("raw", 0);
      const { FRAMEBUFFER, COLOR_ATTACHMENT0, TEXTURE_2D } = gl;
      gl.framebufferTexture2D(FRAMEBUFFER, COLOR_ATTACHMENT0, TEXTURE_2D, weighed, 0);
      gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
      this.aim(layer);
      gl.activeTexture(gl.TEXTURE1);
      gl.bindTexture(gl.TEXTURE_2D, weighed);
      gl.generateMipmap(gl.TEXTURE_2D);
      bleed.use().int("raw", 0).int("known", 1);
      gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
      gl.deleteTexture(raw);
    });
    gl.deleteTexture(weighed);
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
  }

  /** A piece of a layer, to be painted on. */
  piece(layer: number, box: Omit<Patch, "pixels">): Patch {
    const { gl } = this;
    const pixels = new Uint8Array(4 * box.width * box.height);
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.target);
    this.aim(layer);
    gl.readPixels(box.left, box.top, box.width, box.height, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    return { ...box, pixels };
  }

  put(layer: number, patch: Patch): void {
    const { gl } = this;
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D_ARRAY, this.texture);
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
    gl.texSubImage3D(
      ...([gl.TEXTURE_2D_ARRAY, 0, patch.left, patch.top, layer] as const),
      ...([patch.width, patch.height, 1, gl.RGBA, gl.UNSIGNED_BYTE, patch.pixels] as const),
    );
  }

  /** Everything is in place: make the smaller versions. */
  finish(): void {
    const { gl } = this;
    gl.deleteFramebuffer(this.target);
    gl.bindTexture(gl.TEXTURE_2D_ARRAY, this.texture);
    gl.generateMipmap(gl.TEXTURE_2D_ARRAY);
  }

  private aim(layer: number): void {
    const { gl } = this;
    const { FRAMEBUFFER, COLOR_ATTACHMENT0 } = gl;
    gl.framebufferTextureLayer(FRAMEBUFFER, COLOR_ATTACHMENT0, this.texture, 0, layer);
  }
}

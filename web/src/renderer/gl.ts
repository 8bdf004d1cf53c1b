/** A little less to write in WebGL2. */

export type Gl = WebGL2RenderingContext;

/** A program whose uniforms are set by name. */
export class Program {
  private readonly program: WebGLProgram;
  private readonly places = new Map<string, WebGLUniformLocation | null>();

  /** Attributes get the places 0, 1, … in the order of `attributes`. */
  constructor(
    readonly gl: Gl,
    vertex: string,
    fragment: string,
    attributes: readonly string[],
  ) {
    this.program = gl.createProgram();
    for (const [type, source] of [
      [gl.VERTEX_SHADER, vertex],
      [gl.FRAGMENT_SHADER, fragment],
    ] as const) {
      const shader = gl.createShader(type);
      if (!shader) throw new Error("the WebGL context is lost");
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(this.program, shader);
      if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS) && !gl.isContextLost()) {
        throw new Error(`a shader does not compile: ${gl.getShaderInfoLog(shader)}`);
      }
    }
    attributes.forEach((name, place) => gl.bindAttribLocation(this.program, place, name));
    gl.linkProgram(this.program);
    if (!gl.getProgramParameter(this.program, gl.LINK_STATUS) && !gl.isContextLost()) {
      throw new Error(`a program does not link: ${gl.getProgramInfoLog(this.program)}`);
    }
  }

  use(): this {
    this.gl.useProgram(this.program);
    return this;
  }

  /** One number is a float, two to four a vector. */
  set(name: string, ...values: readonly number[]): this {
    const { gl } = this;
    const place = this.place(name);
    const [a, b, c, d] = values as [number, number, number, number];
    if (values.length === 1) gl.uniform1f(place, a);
    else if (values.length === 2) gl.uniform2f(place, a, b);
    else if (values.length === 3) gl.uniform3f(place, a, b, c);
    else gl.uniform4f(place, a, b, c, d);
    return this;
  }

  int(name: string, value: number): this {
    this.gl.uniform1i(this.place(name), value);
    return this;
  }

  ints(name: string, values: Int32Array): this {
    this.gl.uniform1iv(this.place(name), values);
    return this;
  }

  floats(name: string, values: Float32Array): this {
    this.gl.uniform1fv(this.place(name), values);
    return this;
  }

  /** x y, x y, … */
  points(name: string, values: Float32Array): this {
    this.gl.uniform2fv(this.place(name), values);
    return this;
  }

  private place(name: string): WebGLUniformLocation | null {
    let place = this.places.get(name);
    if (place === undefined) {
      place = this.gl.getUniformLocation(this.program, name);
      this.places.set(name, place);
    }
    return place;
  }
}

/** A picture's pixels as they are in the file: no premultiplied alpha, no colour management. */
export function decodePicture(picture: Blob): Promise<ImageBitmap> {
  return createImageBitmap(picture, { premultiplyAlpha: "none", colorSpaceConversion: "none" });
}

export function uploadPicture(gl: Gl, bitmap: ImageBitmap): WebGLTexture {
  const texture = gl.createTexture();
  gl.bindTexture(gl.TEXTURE_2D, texture);
  gl.pixelStorei(gl.UNPACK_PREMULTIPLY_ALPHA_WEBGL, false);
  gl.pixelStorei(gl.UNPACK_COLORSPACE_CONVERSION_WEBGL, gl.NONE);
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, gl.RGBA, gl.UNSIGNED_BYTE, bitmap);
  smooth(gl, gl.TEXTURE_2D);
  return texture;
}

export function smooth(gl: Gl, target: number): void {
  gl.texParameteri(target, gl.TEXTURE_MIN_FILTER, gl.LINEAR_MIPMAP_LINEAR);
  gl.texParameteri(target, gl.TEXTURE_MAG_FILTER, gl.LINEAR);
  gl.texParameteri(target, gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE);
  gl.texParameteri(target, gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE);
}

/** Draws a pose of a rig into a canvas, as visavis.avatar.renderer draws it into video. */

import { decodePicture, type Gl, Program, uploadPicture } from "./gl";
import { activeKeys, aperture, breadth, curve, eyeballs, eyePoints } from "./stage";
import { seenInterior, stageKeys } from "./stage";
import type { Eyeball, Interior, StageKey } from "./stage";
import { backTo, buildMesh, clip, flat, type Mesh, posed, type Posed, y, z } from "./mesh";
import { eyeBox, paintMouth, withoutLids } from "./paint";
import { Pictures } from "./pictures";
import type { Rig } from "./rig";
import { BEHIND, BOX, EYE, FACE, FACE_POINTS, MAX_KEYS, MOUTH, WHOLE } from "./shaders";
import { POINTS, type Topology } from "./topology";
import type { Pose } from "./wire";

/** How far the iris goes at full gaze, in eye widths. */
const EYE_REACH = [0.2, 0.13] as const;
/** A mouth open less than this many canvas pixels has no inside. */
const SHUT = 0.3;

/** What is behind the face. `own` is what the rig brings. */
export type Ground =
  | { readonly kind: "own" }
  | { readonly kind: "colour"; readonly colour: string }
  | { readonly kind: "transparent" };

export interface Options {
  readonly rig: Rig;
  readonly topology: Topology;
  /** The generic table, in units of the eye distance; for rigs that have none of their own. */
  readonly sharedDeltas?: Float32Array | null;
  readonly ground?: Ground;
  /** Draw with software too: slow, for tests. */
  readonly software?: boolean;
}

interface Made {
  readonly programs: Record<"behind" | "face" | "eye" | "mouth", Program>;
  readonly pictures: Pictures;
  readonly positions: WebGLBuffer;
  readonly faceArray: WebGLVertexArrayObject;
  readonly ringArray: WebGLVertexArrayObject;
  readonly unitArray: WebGLVertexArrayObject;
  readonly keyPoints: WebGLTexture;
  readonly groundPicture: WebGLTexture;
}

export class Renderer {
  private readonly gl: Gl;
  private readonly mesh: Mesh;
  private readonly keys: readonly StageKey[];
  private readonly balls: readonly Eyeball[];
  private interior: Interior;
  private interiorLayer: number;
  private made: Made | null = null;

  private constructor(
    readonly canvas: HTMLCanvasElement | OffscreenCanvas,
    private readonly options: Options,
    private readonly bitmaps: readonly ImageBitmap[],
    private readonly ground: ImageBitmap | null,
  ) {
    const { rig, topology } = options;
    const context = canvas.getContext("webgl2", {
      alpha: true,
      antialias: false,
      depth: false,
      failIfMajorPerformanceCaveat: !options.software,
      powerPreference: "low-power",
      preserveDrawingBuffer: options.software ?? false,
    }) as Gl | null;
    if (!context) throw new Error("there is no WebGL2 here");
    this.gl = context;
    this.mesh = buildMesh(rig, topology, options.sharedDeltas ?? null);
    this.keys = stageKeys(rig, this.mesh);
    this.balls = eyeballs(rig, this.mesh);
    const seen = seenInterior(rig, topology);
    this.interior = seen ?? paintMouth(this.mesh, rig.manifest.size).interior;
    this.interiorLayer = seen ? 1 + rig.keys.findIndex(({ name }) => name === "jawOpen") : 0;
    this.make();
    canvas.addEventListener("webglcontextlost", this.lost);
    canvas.addEventListener("webglcontextrestored", this.restored);
  }

  /** Throws where there is no WebGL2, or the rig cannot be read. */
  static async create(
    canvas: HTMLCanvasElement | OffscreenCanvas,
    options: Options,
  ): Promise<Renderer> {
    const { rig } = options;
    const own = (options.ground ?? { kind: "own" }).kind === "own";
    const [ground, ...bitmaps] = await Promise.all([
      own && rig.background ? decodePicture(rig.background) : null,
      decodePicture(rig.picture),
      ...rig.keys.map((key) => decodePicture(key.picture)),
    ]);
    return new Renderer(canvas, options, bitmaps as ImageBitmap[], ground);
  }

  /**
   * Draw at the canvas's size, as high as the canvas and in its middle. False where nothing could be
   * drawn, since the graphics are gone; they may come back.
   */
  draw(pose: Pose): boolean {
    const made = this.made;
    if (!made || this.gl.isContextLost()) return false;
    const { gl, canvas } = this;
    const at = posed(this.mesh, pose);
    gl.viewport(0, 0, canvas.width, canvas.height);
    gl.disable(gl.BLEND);
    gl.disable(gl.CULL_FACE);
    gl.bindVertexArray(made.unitArray);
    this.prepared(made.programs.behind);
    gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
    this.drawFace(made, at, pose);
    gl.disable(gl.CULL_FACE);
    gl.bindVertexArray(made.unitArray);
    gl.enable(gl.BLEND);
    gl.blendFuncSeparate(gl.SRC_ALPHA, gl.ONE_MINUS_SRC_ALPHA, gl.ZERO, gl.ONE);
    this.drawEyes(made, at, pose);
    this.drawMouth(made, at);
    return true;
  }

  /** Give the graphics memory back. */
  close(): void {
    this.canvas.removeEventListener("webglcontextlost", this.lost);
    this.canvas.removeEventListener("webglcontextrestored", this.restored);
    this.made = null;
    this.bitmaps.forEach((bitmap) => bitmap.close());
    this.ground?.close();
    this.gl.getExtension("WEBGL_lose_context")?.loseContext();
  }

  private readonly lost = (event: Event) => {
    event.preventDefault(); // so that it is restored
    this.made = null;
  };

  private readonly restored = () => this.make();

  private get scale(): number {
    return this.canvas.height / this.options.rig.manifest.size;
  }

  // -- what is made once, and again after the context was lost

  private make(): void {
    const { gl, mesh } = this;
    const unitArray = gl.createVertexArray();
    gl.bindVertexArray(unitArray);
    vertices(gl, 0, Float32Array.of(0, 0, 1, 0, 0, 1, 1, 1));
    const pictures = this.makePictures();
    const positions = gl.createBuffer();
    const face = { at: positions, source: flat(mesh.points), faces: [...mesh.faces, ...mesh.holes] };
    const rings = { at: positions, source: mesh.ringSource, faces: mesh.ringFaces };
    const program = (vertex: string, fragment: string, ...attributes: string[]) =>
      new Program(gl, vertex, fragment, attributes);
    this.made = {
      programs: {
        behind: program(WHOLE, BEHIND, "at"),
        face: program(FACE_POINTS, FACE, "at", "source"),
        eye: program(BOX, EYE, "at"),
        mouth: program(BOX, MOUTH, "at"),
      },
      pictures,
      positions,
      faceArray: meshArray(gl, face, 0),
      ringArray: meshArray(gl, rings, 2 * POINTS * 4),
      unitArray,
      keyPoints: this.makeKeyPoints(),
      groundPicture: this.makeGround(),
    };
  }

  private makePictures(): Pictures {
    const { gl, mesh, bitmaps } = this;
    const { rig, topology } = this.options;
    const { size } = rig.manifest;
    const eyesLayer = bitmaps.length;
    const painted = seenInterior(rig, topology) ? null : paintMouth(mesh, size);
    const pictures = new Pictures(gl, size, eyesLayer + 1 + Number(painted !== null));
    pictures.take(bitmaps);
    const points = eyePoints(rig, mesh);
    const source = 1 + rig.keys.findIndex(({ name }) => name === "eyeWide"); // or NEUTRAL
    const patches = topology.eyes.map(({ upper, lower }) => {
      const box = eyeBox(points, [...upper, ...lower], mesh.unit, size);
      const patch = pictures.piece(source, box);
      withoutLids(patch, curve(flat(points), [...upper, ...[...lower].reverse()]), mesh.unit);
      return patch;
    });
    patches.forEach((patch) => pictures.put(eyesLayer, patch));
    if (painted) {
      this.interiorLayer = eyesLayer + 1;
      pictures.put(this.interiorLayer, painted.patch);
    }
    pictures.finish();
    return pictures;
  }

  private makeKeyPoints(): WebGLTexture {
    const { gl, keys } = this;
    const texture = gl.createTexture();
    const rows = Math.max(1, keys.length);
    const texels = new Float32Array(4 * POINTS * rows);
    keys.forEach(({ points }, row) => {
      for (let i = 0; i < POINTS; i++) {
        texels.set(points.subarray(3 * i, 3 * i + 3), 4 * (row * POINTS + i));
      }
    });
    gl.bindTexture(gl.TEXTURE_2D, texture);
    gl.texStorage2D(gl.TEXTURE_2D, 1, gl.RGBA32F, POINTS, rows);
    gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, 0, POINTS, rows, gl.RGBA, gl.FLOAT, texels);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
    return texture;
  }

  private makeGround(): WebGLTexture {
    const { gl } = this;
    if (this.ground) {
      const texture = uploadPicture(gl, this.ground);
      gl.generateMipmap(gl.TEXTURE_2D);
      return texture;
    }
    const texture = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D, texture);
    gl.texStorage2D(gl.TEXTURE_2D, 1, gl.RGBA8, 1, 1);
    return texture;
  }

  // -- what is drawn in every frame

  /** The program in use, told what all programs want to know. */
  private prepared(program: Program): Program {
    const { gl, canvas, made, scale } = this;
    const { size } = this.options.rig.manifest;
    const bind = (unit: number, target: number, texture: WebGLTexture | undefined) => {
      gl.activeTexture(gl.TEXTURE0 + unit);
      gl.bindTexture(target, texture ?? null);
    };
    bind(0, gl.TEXTURE_2D_ARRAY, made?.pictures.texture);
    bind(1, gl.TEXTURE_2D, made?.keyPoints);
    bind(2, gl.TEXTURE_2D, made?.groundPicture);
    program.use().int("pictures", 0).int("keyPoints", 1).int("groundPicture", 2);
    program.set("view", scale, Math.floor((canvas.width - canvas.height) / 2), 0);
    program.set("canvas", canvas.width, canvas.height);
    program.set("size", size).set("lod", Math.max(0, -Math.log2(scale)));
    return this.behind(program);
  }

  private behind(program: Program): Program {
    const ground = this.options.ground ?? { kind: "own" };
    const { background } = this.options.rig.manifest;
    const [top, bottom] = ground.kind === "colour" ? [ground.colour, ground.colour] : background;
    program.set("top", ...colour(top)).set("bottom", ...colour(bottom));
    if (this.ground) {
      const side = Math.max(this.canvas.width, this.canvas.height);
      program.set("groundLod", Math.max(0, Math.log2(this.ground.width / side)));
      return program.int("ground", 2);
    }
    return program.int("ground", ground.kind === "transparent" ? 0 : 1);
  }

  private drawFace(made: Made, at: Posed, pose: Pose): void {
    const { gl, mesh } = this;
    gl.bindBuffer(gl.ARRAY_BUFFER, made.positions);
    gl.bufferData(gl.ARRAY_BUFFER, Float32Array.of(...at.face, ...at.rings), gl.DYNAMIC_DRAW);
    const program = this.prepared(made.programs.face);
    // triangles that are turned away are not drawn; their area was positive, with y down
    gl.enable(gl.CULL_FACE);
    gl.frontFace(gl.CW);
    program.int("count", 0);
    gl.bindVertexArray(made.ringArray);
    gl.drawElements(gl.TRIANGLES, mesh.ringFaces.length, gl.UNSIGNED_SHORT, 0);
    gl.bindVertexArray(made.faceArray);
    gl.drawElements(gl.TRIANGLES, mesh.holes.length, gl.UNSIGNED_SHORT, 2 * mesh.faces.length);
    this.setKeys(program, pose);
    gl.drawElements(gl.TRIANGLES, mesh.faces.length, gl.UNSIGNED_SHORT, 0);
  }

  private setKeys(program: Program, pose: Pose): void {
    const active = activeKeys(this.keys, pose.coefficients).slice(-MAX_KEYS);
    const [rows, layers] = [new Int32Array(MAX_KEYS), new Float32Array(MAX_KEYS)];
    const alphas = new Float32Array(MAX_KEYS);
    active.forEach(({ key, alpha }, k) => {
      rows[k] = this.keys.indexOf(key);
      layers[k] = 1 + key.index;
      alphas[k] = alpha;
    });
    program.ints("rows", rows).floats("layers", layers).floats("alphas", alphas);
    program.int("count", active.length);
  }

  private drawEyes(made: Made, at: Posed, pose: Pose): void {
    const { mesh, balls } = this;
    const { topology, pivot } = mesh;
    const reach = this.options.rig.manifest.gaze;
    const program = this.prepared(made.programs.eye).set("layer", this.bitmaps.length);
    topology.eyes.forEach(({ upper, lower }, eye) => {
      const ball = balls[eye] as Eyeball;
      const open = aperture(at.still, upper, lower);
      const [lids, floor] = [curve(at.face, upper), curve(at.face, lower)];
      const gap = Math.max(...lids.map((lid, i) => (i % 2 ? (floor[i] as number) - lid : 0)));
      program.points("upper", lids).points("lower", floor).set("iris", ...ball.iris);
      program.set("tall", Math.max(1 / this.scale, gap));
      program.set("shade", 0.7 * clip(1 - open / ball.open) ** 2);
      const step = (n: 0 | 1, gaze: number) => gaze * reach * EYE_REACH[n] * ball.width;
      program.set("shift", step(0, pose.gazeX), step(1, pose.gazeY));
      this.fillOpening(program, lids, floor, backTo(at, pivot, ball.depth));
    });
  }

  private drawMouth(made: Made, at: Posed): void {
    const { mesh, interior } = this;
    const { upperLip, lowerLip, chin } = mesh.topology;
    const gap = aperture(at.still, upperLip, lowerLip);
    if (gap * this.scale < SHUT) return;
    const still = flat(at.still);
    const [lip, floor] = [curve(at.face, upperLip), curve(at.face, lowerLip)];
    const { upper, lower } = interior;
    const full = Math.max(...upper.map((up, i) => (i % 2 ? (lower[i] as number) - up : 0)));
    const depth = upperLip.reduce((sum, i) => sum + z(at.still, i), 0) / upperLip.length;
    const program = this.prepared(made.programs.mouth).set("layer", this.interiorLayer);
    program.points("upper", lip).points("lower", floor);
    program.points("stillUpper", curve(still, upperLip));
    program.points("stillLower", curve(still, lowerLip));
    program.points("keyUpper", upper).points("keyLower", lower);
    program.set("jaw", interior.chinY - y(at.still, chin));
    // Little light falls into rounded lips.
    const light = Math.min(1, breadth(at.still, upperLip) / breadth(mesh.points, upperLip)) ** 2;
    program.set("shade", 0.85 * clip(1 - (light * gap) / (0.5 * full)));
    this.fillOpening(program, lip, floor, backTo(at, mesh.pivot, depth));
  }

  /** Draw the box around an opening; the program leaves what is outside. */
  private fillOpening(
    program: Program,
    upper: Float32Array,
    lower: Float32Array,
    back: readonly number[],
  ): void {
    const all = [...upper, ...lower];
    const xs = all.filter((_, i) => i % 2 === 0);
    const ys = all.filter((_, i) => i % 2 === 1);
    const margin = 1 / this.scale;
    const [left, top] = [Math.min(...xs), Math.min(...ys) - margin];
    program.set("backX", ...back.slice(0, 3)).set("backY", ...back.slice(3));
    program.set("box", left, top, Math.max(...xs) - left, Math.max(...ys) + margin - top);
    this.gl.drawArrays(this.gl.TRIANGLE_STRIP, 0, 4);
  }
}

interface MeshData {
  readonly at: WebGLBuffer;
  readonly source: Float32Array;
  readonly faces: readonly number[];
}

/** Points that move (from `offset` bytes on), where they come from, and the triangles. */
function meshArray(gl: Gl, { at, source, faces }: MeshData, offset: number) {
  const array = gl.createVertexArray();
  gl.bindVertexArray(array);
  gl.bindBuffer(gl.ARRAY_BUFFER, at);
  gl.enableVertexAttribArray(0);
  gl.vertexAttribPointer(0, 2, gl.FLOAT, false, 0, offset);
  vertices(gl, 1, source);
  gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, gl.createBuffer());
  gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, Uint16Array.from(faces), gl.STATIC_DRAW);
  return array;
}

/** x y at a place of the bound array. */
function vertices(gl: Gl, place: number, values: Float32Array): void {
  gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
  gl.bufferData(gl.ARRAY_BUFFER, values, gl.STATIC_DRAW);
  gl.enableVertexAttribArray(place);
  gl.vertexAttribPointer(place, 2, gl.FLOAT, false, 0, 0);
}

/** #rrggbb as three shares. */
function colour(text: string): [number, number, number] {
  const number = parseInt(text.slice(1), 16);
  return [(number >> 16) / 255, ((number >> 8) & 255) / 255, (number & 255) / 255];
}

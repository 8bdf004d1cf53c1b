/** The programs that draw the face. Lengths are texture pixels unless they say otherwise. */

/** How many keys may show at once. */
export const MAX_KEYS = 8;
const all = (line: (k: number) => string) =>
  Array.from({ length: MAX_KEYS }, (_, k) => line(k)).join("\n");

/** Where things are: `view` is scale, and the offset in canvas pixels; `canvas` its size. */
const VIEW = `
uniform vec3 view;
uniform vec2 canvas;
vec4 placed(vec2 at) {
  vec2 px = at * view.x + view.yz;
  return vec4(px.x / canvas.x * 2.0 - 1.0, 1.0 - px.y / canvas.y * 2.0, 0.0, 1.0);
}`;

/** All pictures of the rig, one a layer; `lod` is how much larger they are than what is drawn. */
const PICTURES = `
precision highp float;
precision highp int;
precision highp sampler2DArray;
uniform sampler2DArray pictures;
uniform float size;
uniform float lod;
vec4 picture(vec2 at, float layer) {
  return textureLod(pictures, vec3(at / size, layer), lod);
}`;

/** This pixel, in canvas pixels and in texture pixels. */
const HERE = `
uniform vec3 view;
uniform vec2 canvas;
vec2 here() { return vec2(gl_FragCoord.x, canvas.y - gl_FragCoord.y); }
vec2 unplaced(vec2 px) { return (px - view.yz) / view.x; }`;

/** What is behind the face; \`ground\` 0 is nothing, 1 a gradient or colour, 2 a picture. */
const GROUND = `
uniform int ground;
uniform vec3 top;
uniform vec3 bottom;
uniform sampler2D groundPicture;
uniform float groundLod;
vec3 behind(vec2 px) {
  if (ground == 2) {
    float side = max(canvas.x, canvas.y);
    return textureLod(groundPicture, (px + (side - canvas) / 2.0) / side, groundLod).rgb;
  }
  // dithered, so that a gradient does not band
  float noise = fract(sin(dot(px, vec2(12.9898, 78.233))) * 43758.5453) - 0.5;
  return mix(top, bottom, (px.y - 0.5) / max(1.0, canvas.y - 1.0)) + noise / 255.0;
}
vec4 over(vec4 colour, vec2 px) {
  return ground == 0
    ? vec4(colour.rgb * colour.a, colour.a)
    : vec4(mix(behind(px), colour.rgb, colour.a), 1.0);
}`;

export const WHOLE = `#version 300 es
in vec2 at;
void main() { gl_Position = vec4(at * 2.0 - 1.0, 0.0, 1.0); }`;

export const BEHIND = `#version 300 es
precision highp float;
precision highp int;
${HERE}
${GROUND}
out vec4 colour;
void main() { colour = over(vec4(0.0), here()); }`;

export const FACE_POINTS = `#version 300 es
in vec2 at;
in vec2 source;
precision highp sampler2D;
uniform sampler2D keyPoints;
uniform int count;
uniform int rows[${MAX_KEYS}];
out vec2 from;
${all((k) => `out vec3 key${k};`)}
${VIEW}
vec3 key(int k) {
  return k < count ? texelFetch(keyPoints, ivec2(gl_VertexID, rows[k]), 0).xyz : vec3(0.0);
}
void main() {
  gl_Position = placed(at);
  from = source;
  ${all((k) => `key${k} = key(${k});`)}
}`;

/** The neutral face with its keys faded in, one over the other. */
export const FACE = `#version 300 es
${PICTURES}
${HERE}
${GROUND}
uniform int count;
uniform float alphas[${MAX_KEYS}];
uniform float layers[${MAX_KEYS}];
in vec2 from;
${all((k) => `in vec3 key${k};`)}
out vec4 colour;
void main() {
  vec4 face = picture(from, 0.0);
  ${all((k) => `if (count > ${k}) face = mix(face, picture(key${k}.xy, layers[${k}]), clamp(alphas[${k}] * key${k}.z, 0.0, 1.0));`)}
  // beside a square picture there is nothing
  if (canvas.x > canvas.y && (from.x < 0.0 || from.x > size)) face.a = 0.0;
  colour = over(face, here());
}`;

export const BOX = `#version 300 es
in vec2 at;
uniform vec4 box;
${VIEW}
void main() { gl_Position = placed(box.xy + at * box.zw); }`;

/** Edges of an opening: `along` is an edge's y at x, held flat beyond its ends. */
const opening = (n: number) => `
const int LAST = ${n - 1};
float along(vec2 edge[${n}], float x) {
  if (x <= edge[0].x) return edge[0].y;
  if (x >= edge[LAST].x) return edge[LAST].y;
  for (int i = 0; i < LAST; i++) {
    if (edge[i + 1].x >= x || i == LAST - 1) {
      float run = edge[i + 1].x - edge[i].x;
      float share = run > 1e-6 ? (x - edge[i].x) / run : 0.0;
      return edge[i].y + share * (edge[i + 1].y - edge[i].y);
    }
  }
  return edge[LAST].y;
}
/** How much of the pixel lies between two near-level edges. */
float cover(float y, float upper, float lower) {
  float above = clamp((y - upper) * view.x + 0.5, 0.0, 1.0);
  float below = clamp((lower - y) * view.x + 0.5, 0.0, 1.0);
  return max(0.0, above + below - 1.0);
}
uniform vec2 upper[${n}];
uniform vec2 lower[${n}];
uniform vec3 backX;
uniform vec3 backY;
uniform float shade;
uniform float layer;
out vec4 colour;`;

/** Fills the opening between two lids with the eyeball, its iris moved by `shift`. */
export const EYE = `#version 300 es
${PICTURES}
${HERE}
${opening(9)}
uniform vec4 iris;
uniform vec2 shift;
uniform float tall;
void main() {
  vec2 p = unplaced(here());
  float lid = along(upper, p.x);
  float k = cover(p.y, lid, along(lower, p.x));
  if (k <= 0.0) discard;
  vec2 at = vec2(dot(backX, vec3(p, 1.0)), dot(backY, vec3(p, 1.0)));
  // the ball turns: the iris moves whole, the white beside it gives way
  vec2 seen = at - shift;
  for (int i = 0; i < 2; i++) {
    float give = (iris.w - distance(seen, iris.xy)) / (iris.w - iris.z);
    seen = at - shift * clamp(give, 0.0, 1.0);
  }
  float dark = 1.0 - shade * exp((lid - p.y) / (0.22 * tall));
  colour = vec4(picture(seen, layer).rgb * dark, k);
}`;

/** Fills the opening between the lips with the inside of an open mouth; see kernels.draw_mouth. */
export const MOUTH = `#version 300 es
${PICTURES}
${HERE}
${opening(11)}
uniform vec2 stillUpper[11];
uniform vec2 stillLower[11];
uniform vec2 keyUpper[11];
uniform vec2 keyLower[11];
uniform float jaw;
void main() {
  vec2 p = unplaced(here());
  float one = 1.0 / view.x;
  float lip = along(upper, p.x);
  float bottomLip = along(lower, p.x);
  float k = cover(p.y, lip, bottomLip);
  if (k <= 0.0 || bottomLip - lip < 0.05 * one) discard;
  float t = clamp((p.y - lip) / (bottomLip - lip), 0.0, 1.0);
  float u = dot(backX, vec3(p, 1.0));
  float still = along(stillUpper, u);
  float v = still + t * (along(stillLower, u) - still);
  u = clamp(u, keyUpper[0].x + one, keyUpper[LAST].x - one);
  float ceiling = along(keyUpper, u) + one;
  float ground = along(keyLower, u) - one;
  float fixedV = min(max(v, ceiling), ground);
  float moved = max(min(v + jaw, ground), ceiling);
  v = mix(fixedV, moved, smoothstep(0.35, 0.75, t));
  colour = vec4(picture(vec2(u, v), layer).rgb * (1.0 - shade * (1.0 - 0.5 * t)), k);
}`;

/** Gives transparent pixels the colour of their nearest visible neighbours. */
export const BLEED = `#version 300 es
precision highp float;
precision highp int;
uniform sampler2D raw;
uniform sampler2D known;
out vec4 colour;
void main() {
  ivec2 at = ivec2(gl_FragCoord.xy);
  vec4 here = texelFetch(raw, at, 0);
  colour = here;
  if (here.a * 255.0 > 8.0) return;
  vec2 uv = (vec2(at) + 0.5) / vec2(textureSize(raw, 0));
  for (float level = 1.0; level < 9.0; level += 1.0) {
    vec4 near = textureLod(known, uv, level);
    if (near.a > 0.08) {
      colour.rgb = near.rgb / near.a;
      return;
    }
  }
}`;

/** What is visible, weighed, for BLEED to average. */
export const KNOWN = `#version 300 es
precision highp float;
precision highp int;
uniform sampler2D raw;
out vec4 colour;
void main() {
  vec4 here = texelFetch(raw, ivec2(gl_FragCoord.xy), 0);
  colour = here.a * 255.0 > 8.0 ? vec4(here.rgb, 1.0) : vec4(0.0);
}`;

import { describe, expect, it } from "vitest";
import { PlayoutClock } from "../src/renderer/clock";
import { Poses } from "../src/renderer/poses";
import { halves } from "../src/renderer/rig";
import { decodePose, type Pose } from "../src/renderer/wire";
import { unzip } from "../src/renderer/zip";

function bytes(hex: string): ArrayBuffer {
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16)).buffer;
}

/** The frame of tests/unit/avatar/test_wire.py. */
const WEIGHTS = Array.from({ length: 52 }, (_, i) => i.toString(16).padStart(2, "0")).join("");
const FRAME = `01000100000001${WEIGHTS}3307d0f06003e827108ad081`;

describe("a pose on the wire", () => {
  it("is what the server said", () => {
    const timed = decodePose(bytes(FRAME));
    expect(timed?.at).toBe(2 ** 32 + 1);
    const pose = timed?.pose as Pose;
    expect(pose.coefficients[51]).toBeCloseTo(51 / 255, 6);
    expect(pose.close).toBeCloseTo(0.2, 6);
    expect([pose.yaw, pose.pitch, pose.roll]).toEqual([0.1, -0.2, 0.05]);
    expect([pose.gazeX, pose.gazeY, pose.breath]).toEqual([0.5, -1.5, -1]);
  });

  it("is nothing where it is of another version or length", () => {
    expect(decodePose(bytes(FRAME.replace("01", "02")))).toBeNull();
    expect(decodePose(bytes(FRAME).slice(1))).toBeNull();
    expect(decodePose(new ArrayBuffer(0))).toBeNull();
  });
});

function pose(breath: number): Pose {
  const still = { close: 0, yaw: 0, pitch: 0, roll: 0, gazeX: 0, gazeY: 0 };
  return { coefficients: new Float32Array(52).fill(breath), ...still, breath };
}

describe("the pose to show", () => {
  it("lies between its neighbours, in whatever order they came", () => {
    const poses = new Poses();
    for (const at of [40, 0, 120, 80, 80]) poses.add({ at, pose: pose(at / 120) });
    expect(poses.at(60)?.breath).toBeCloseTo(0.5);
    expect(poses.at(60)?.coefficients[7]).toBeCloseTo(0.5);
    expect(poses.at(80)?.breath).toBeCloseTo(80 / 120);
  });

  it("is the nearest beyond the ends, and not joined over a hole", () => {
    const poses = new Poses();
    expect(poses.at(0)).toBeNull();
    poses.add({ at: 100, pose: pose(0.1) });
    poses.add({ at: 900, pose: pose(0.9) });
    expect(poses.at(0)?.breath).toBe(0.1);
    expect(poses.at(5000)?.breath).toBe(0.9);
    expect(poses.at(500)?.breath).toBe(0.1);
  });

  it("forgets what was long ago", () => {
    const poses = new Poses();
    for (let at = 0; at <= 10_000; at += 40) poses.add({ at, pose: pose(at / 10_000) });
    expect(poses.at(0)?.breath).toBeCloseTo(0.8);
  });
});

describe("the playout clock", () => {
  it("is the best arrival, less the wait of the sound", () => {
    const clock = new PlayoutClock();
    expect(clock.heard(0)).toBeNull();
    for (let n = 0; n < 100; n++) {
      const late = n % 7 === 0 ? 0 : 5 + (n % 13);
      clock.arrived(1_000_000 + 40 * n, 5_000 + 40 * n + late);
    }
    // 60 ms a sample in the jitter buffer, 20 ms to the ear
    clock.sound({ delay: 0.06 * 48_000, samples: 48_000, outputMs: 20 });
    for (let now = 9_000; now < 14_000; now += 16) clock.heard(now);
    expect(clock.heard(14_000)).toBeCloseTo(1_000_000 + 9_000 - 80, 0);
  });

  it("follows a growing wait without a jump", () => {
    const clock = new PlayoutClock();
    clock.arrived(0, 0);
    clock.sound({ delay: 0.04 * 48_000, samples: 48_000, outputMs: 0 });
    let before = clock.heard(100) as number;
    clock.sound({ delay: (0.04 + 0.2) * 48_000, samples: 96_000, outputMs: 0 });
    for (let now = 116; now < 3000; now += 16) {
      const heard = clock.heard(now) as number;
      expect(Math.abs(heard - before - 16)).toBeLessThan(10);
      before = heard;
    }
    expect(before).toBeCloseTo(2996 - 200, -1);
  });
});

describe("float16", () => {
  it("is read exactly", () => {
    const bits = [0x0000, 0x3c00, 0xc000, 0x7bff, 0x0001, 0x03ff, 0x3555];
    const data = new Uint8Array(Uint16Array.from(bits).buffer);
    const values = [...halves(data, bits.length)];
    expect(values).toEqual([0, 1, -2, 65504, 2 ** -24, 1023 * 2 ** -24, 0.333251953125]);
    expect(() => halves(data, 3)).toThrow();
  });
});

interface Member {
  name: string;
  data: string;
  method: 0 | 8;
  /** What the header says, if it lies. */
  size?: number;
}

async function deflated(data: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([data]).stream().pipeThrough(new CompressionStream("deflate-raw"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Little-endian numbers of 2 or 4 bytes, as [value, bytes]. */
function numbers(...values: [number, 2 | 4][]): number[] {
  return values.flatMap(([value, size]) =>
    Array.from({ length: size }, (_, i) => Math.floor(value / 256 ** i) % 256),
  );
}

async function zipped(members: readonly Member[]): Promise<ArrayBuffer> {
  const out: number[] = [];
  const directory: number[] = [];
  for (const { name, data, method, size } of members) {
    const [label, plain] = [new TextEncoder().encode(name), new TextEncoder().encode(data)];
    const packed = method === 8 ? await deflated(plain) : plain;
    const sizes = numbers([packed.length, 4], [size ?? plain.length, 4], [label.length, 2]);
    const start = out.length;
    const about = [...numbers([20, 2], [0, 2], [method, 2], [0, 4], [0, 4]), ...sizes];
    out.push(...numbers([0x04034b50, 4]), ...about, 0, 0, ...label, ...packed);
    const rest = numbers([0, 2], [0, 2], [0, 2], [0, 2], [0, 4], [start, 4]);
    directory.push(...numbers([0x02014b50, 4], [20, 2]), ...about, ...rest, ...label);
  }
  const count = members.length;
  const end = numbers([0x06054b50, 4], [0, 4], [count, 2], [count, 2]);
  end.push(...numbers([directory.length, 4], [out.length, 4], [0, 2]));
  return Uint8Array.from([...out, ...directory, ...end]).buffer;
}

describe("a zip file", () => {
  const text = "face ".repeat(500);

  it("is read, stored or deflated", async () => {
    const file = await zipped([
      { name: "avatar.json", data: "{}", method: 0 },
      { name: "deltas.f16", data: text, method: 8 },
    ]);
    const members = await unzip(file);
    expect([...members.keys()]).toEqual(["avatar.json", "deltas.f16"]);
    expect(new TextDecoder().decode(members.get("deltas.f16"))).toBe(text);
  });

  it("is refused where it lies about its size, is too large or is none", async () => {
    const lie = (size: number) => zipped([{ name: "a", data: text, method: 8, size }]);
    await expect(unzip(await lie(10))).rejects.toThrow("not as long");
    await expect(unzip(await lie(99_999))).rejects.toThrow("not as long");
    await expect(unzip(await lie(5 << 20))).rejects.toThrow("too large");
    await expect(unzip(new ArrayBuffer(100))).rejects.toThrow("no zip");
  });
});

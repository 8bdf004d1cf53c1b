/** Reads a zip file: just as much of the format as an `.avatar` file uses. */

const END = 0x06054b50;
const ENTRY = 0x02014b50;
const LOCAL = 0x04034b50;
const MAX_MEMBER = 4 << 20;
const MAX_TOTAL = 32 << 20;

/** The members by name. Throws where the file is damaged or larger than a rig may be. */
export async function unzip(file: ArrayBuffer): Promise<Map<string, Uint8Array<ArrayBuffer>>> {
  const view = new DataView(file);
  const members = new Map<string, Uint8Array<ArrayBuffer>>();
  const end = endOfDirectory(view);
  let at = view.getUint32(end + 16, true);
  let total = 0;
  for (let left = view.getUint16(end + 10, true); left > 0; left--) {
    if (view.getUint32(at, true) !== ENTRY) throw new Error("the zip's directory is damaged");
    const method = view.getUint16(at + 10, true);
    const packed = view.getUint32(at + 20, true);
    const size = view.getUint32(at + 24, true);
    const nameLength = view.getUint16(at + 28, true);
    const name = new TextDecoder().decode(new Uint8Array(file, at + 46, nameLength));
    total += size;
    if (size > MAX_MEMBER || total > MAX_TOTAL) throw new Error(`${name} is too large`);
    const data = member(view, view.getUint32(at + 42, true), packed);
    members.set(name, method === 0 ? data : await inflated(name, data, size));
    at += 46 + nameLength + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
  }
  return members;
}

function endOfDirectory(view: DataView): number {
  // a comment of up to 64 KiB may follow it
  const first = Math.max(0, view.byteLength - 22 - 0xffff);
  for (let at = view.byteLength - 22; at >= first; at--) {
    if (view.getUint32(at, true) === END) return at;
  }
  throw new Error("this is no zip file");
}

function member(view: DataView, at: number, packed: number): Uint8Array<ArrayBuffer> {
  if (view.getUint32(at, true) !== LOCAL) throw new Error("the zip file is damaged");
  const start = at + 30 + view.getUint16(at + 26, true) + view.getUint16(at + 28, true);
  return new Uint8Array(view.buffer as ArrayBuffer, start, packed);
}

async function inflated(
  name: string,
  data: Uint8Array<ArrayBuffer>,
  size: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([data]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  const out = new Uint8Array(size);
  let at = 0;
  const reader = stream.getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    if (at + part.value.length > size) break;
    out.set(part.value, at);
    at += part.value.length;
  }
  if (at !== size) throw new Error(`${name} is not as long as its header says`);
  return out;
}

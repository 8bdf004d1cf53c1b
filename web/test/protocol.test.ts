import { afterEach, describe, expect, it, vi } from "vitest";
import { LinkWatch } from "../src/meet/link";
import { loudness } from "../src/meet/microphone";
import { canTypeInstead } from "../src/meet/problem";
import { clientReady, decode, encode, sendText } from "../src/meet/rtvi";
import { Signalling } from "../src/meet/signalling";
import { average } from "../src/meet/tint";
import { clock, retryLabel, tagline } from "../src/meet/words";

describe("RTVI", () => {
  it("reads what it writes", () => {
    expect(decode(sendText("Hi"))).toMatchObject({
      type: "send-text",
      data: { content: "Hi", options: { run_immediately: true, audio_response: true } },
    });
    expect(decode(clientReady())?.data).toMatchObject({ version: expect.stringMatching(/^2\./) });
  });

  it.each(["", "ping: 1", "{", "[]", "null", '{"type":"x"}', '{"label":"rtvi-ai"}'])(
    "takes %j for something else",
    (frame) => expect(decode(frame)).toBeNull(),
  );

  it("tolerates a missing id and data", () => {
    const frame = JSON.stringify({ label: "rtvi-ai", type: "bot-ready" });
    expect(decode(frame)).toEqual({ id: "", type: "bot-ready", data: {} });
    expect(decode(new ArrayBuffer(1))).toBeNull();
    expect(decode(encode("disconnect-bot"))?.data).toEqual({});
  });
});

describe("the link", () => {
  it("is up as long as bytes arrive, then interrupted, then lost", () => {
    const watch = new LinkWatch(0);
    expect(watch.observe(1_000, 10)).toBe("up");
    expect(watch.observe(3_400, 10)).toBe("up");
    expect(watch.observe(3_500, 10)).toBe("interrupted");
    expect(watch.observe(5_000, 20)).toBe("up");
    expect(watch.observe(20_000, 20)).toBe("lost");
  });
});

describe("signalling", () => {
  afterEach(() => vi.unstubAllGlobals());

  const candidate = (line: string) =>
    ({ candidate: line, sdpMid: "0", sdpMLineIndex: 0 }) as RTCIceCandidate;

  it("holds candidates back until there is a peer, then sends them together", async () => {
    const sent: { method: string; body: Record<string, unknown>; token: string }[] = [];
    vi.stubGlobal("fetch", (_: string, init: RequestInit) => {
      const body = JSON.parse(String(init.body)) as Record<string, unknown>;
      const token = new Headers(init.headers).get("Authorization") ?? "";
      sent.push({ method: init.method ?? "", body, token });
      return Promise.resolve(Response.json({ sdp: "v=0", type: "answer", pc_id: "p1" }));
    });
    const signalling = new Signalling("/rooms/1/api/offer", "secret");
    const { signal } = new AbortController();
    await signalling.trickle(candidate("a"), signal);
    await signalling.trickle(candidate("b"), signal);
    expect(sent).toEqual([]);
    const answer = await signalling.offer({ type: "offer", sdp: "v=0" }, signal);
    await signalling.trickle(candidate("c"), signal);
    expect(answer).toEqual({ type: "answer", sdp: "v=0" });
    expect(sent.map((request) => request.method)).toEqual(["POST", "PATCH", "PATCH"]);
    expect(sent.every((request) => request.token === "Bearer secret")).toBe(true);
    expect(sent[1]?.body).toEqual({
      pc_id: "p1",
      candidates: [
        { candidate: "a", sdp_mid: "0", sdp_mline_index: 0 },
        { candidate: "b", sdp_mid: "0", sdp_mline_index: 0 },
      ],
    });
  });

  it("refuses an answer without a description", async () => {
    vi.stubGlobal("fetch", () => Promise.resolve(Response.json({})));
    const offer = new Signalling("/", "").offer({ type: "offer", sdp: "" }, new AbortController().signal);
    await expect(offer).rejects.toMatchObject({ kind: "session_failed" });
  });
});

it("maps loudness to speech", () => {
  expect(loudness(new Float32Array(512))).toBe(0);
  expect(loudness(new Float32Array(512).fill(0.5))).toBe(1);
  expect(loudness(new Float32Array(512).fill(0.025))).toBeCloseTo(0.5, 1);
});

it("averages the backdrop, and leaves transparent portraits alone", () => {
  expect(average([0, 0, 0, 255, 100, 50, 20, 255])).toBe("rgb(50 25 10)");
  expect(average([0, 0, 0, 0])).toBe("");
});

it("offers typing exactly where a microphone is what is missing", () => {
  expect(canTypeInstead("no_microphone")).toBe(true);
  expect(canTypeInstead("server_full")).toBe(false);
});

it("speaks of time and language as people do", () => {
  expect([clock(7), clock(750), clock(3723)]).toEqual(["0:07", "12:30", "1:02:03"]);
  expect(retryLabel(12)).toBe("Try again in 12 s");
  expect(retryLabel(0)).toBe("Try again");
  expect(tagline("en")).toBe("AI assistant · speaks English");
  expect(tagline("not a code")).toContain("not a code");
});

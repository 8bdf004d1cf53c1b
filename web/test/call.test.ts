import { describe, expect, it } from "vitest";
import { INITIAL, next, type Call, type CallEvent } from "../src/meet/call";
import { Problem } from "../src/meet/problem";

const AGENT = {
  agentId: "demo",
  name: "Ava",
  language: "en",
  portraitUrl: "/p",
  available: true,
  recording: false,
};
const said = (type: string, data: Record<string, unknown> = {}): CallEvent => ({
  type: "message",
  message: { id: "", type, data },
});
const JOINED: CallEvent = { type: "joined", now: 1_000 };
const after = (...events: CallEvent[]): Call => events.reduce(next, INITIAL);
const activity = (call: Call) => (call.phase.name === "live" ? call.phase.activity : null);

describe("a call", () => {
  it("goes from loading to ready, connecting, live and ended", () => {
    const events: CallEvent[] = [
      { type: "agent", agent: AGENT },
      { type: "step", step: "microphone" },
      JOINED,
      { type: "ended", now: 43_400, byAgent: false },
    ];
    const names = events.map((_, count) => after(...events.slice(0, count + 1)).phase.name);
    expect(names).toEqual(["ready", "connecting", "live", "ended"]);
    expect(after(...events).phase).toMatchObject({ seconds: 42 });
  });

  it("starts its captions afresh, and keeps them when it has ended", () => {
    const heard = said("bot-output", { text: "Hi.", spoken: true });
    const first = after(JOINED, heard, { type: "ended", now: 2_000, byAgent: true });
    expect(first.captions).toHaveLength(1);
    expect(next(first, JOINED).captions).toEqual([]);
  });

  it("returns to ready when connecting was cancelled", () => {
    expect(after({ type: "step", step: "room" }, { type: "reset" }).phase.name).toBe("ready");
  });

  it("keeps the problem it failed with, whatever was thrown", () => {
    const full = new Problem("server_full", "", 5);
    expect(after({ type: "failed", error: full }).phase).toEqual({ name: "failed", problem: full });
    const phase = after({ type: "failed", error: new TypeError("x") }).phase;
    expect(phase).toMatchObject({ problem: { kind: "session_failed" } });
  });

  it("marks an interrupted link only while live", () => {
    expect(after(JOINED, { type: "interrupted", is: true }).phase).toMatchObject({
      interrupted: true,
    });
    expect(after({ type: "interrupted", is: true }).phase).toEqual(INITIAL.phase);
  });
});

describe("what the agent is doing", () => {
  it("listens on when what it heard was only noise", () => {
    const noise = said("user-transcription", { text: "", final: true });
    expect(activity(after(JOINED, said("user-stopped-speaking"), noise))).toBe("listening");
  });

  it.each([
    ["bot-ready", "listening"],
    ["user-started-speaking", "hearing"],
    ["user-stopped-speaking", "thinking"],
    ["bot-started-speaking", "speaking"],
  ])("after %s is %s", (message, expected) => {
    expect(activity(after(JOINED, said(message)))).toBe(expected);
  });

  it("is thinking after typed input", () => {
    expect(activity(after(JOINED, { type: "typed", content: "Hello" }))).toBe("thinking");
  });

  it("stays hearing when the agent falls silent because of it", () => {
    const events = ["bot-started-speaking", "user-started-speaking", "bot-stopped-speaking"];
    expect(activity(after(JOINED, ...events.map((type) => said(type))))).toBe("hearing");
  });
});

describe("being recorded", () => {
  const word = (d: unknown) => said("server-response", { t: "recording-consent", d });
  const granted: CallEvent = { type: "consent", granted: true };

  it("is what the agent says, not what was asked for", () => {
    expect(after(granted, JOINED).recorded).toBe(false);
    expect(after(granted, JOINED, word({ granted: true, recording: true })).recorded).toBe(true);
    expect(after(granted, JOINED, word({ granted: true, recording: false })).recorded).toBe(false);
    expect(after(granted, JOINED, word(null)).recorded).toBe(false);
    expect(after(granted, JOINED, said("server-response", { t: "other" })).recorded).toBe(false);
  });

  it("ends with the call, and so does the consent", () => {
    const over = after(granted, JOINED, word({ recording: true }), {
      type: "ended",
      now: 2_000,
      byAgent: false,
    });
    expect(over).toMatchObject({ recorded: false, consent: null });
  });

  it("is not asked for again when a connection failed", () => {
    const failed = after({ type: "consent", granted: false }, { type: "failed", error: "x" });
    expect(failed.consent).toBe(false);
    expect(next(failed, { type: "reset" }).consent).toBeNull();
  });
});

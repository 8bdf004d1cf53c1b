import { afterEach, describe, expect, it, vi } from "vitest";
import { fetchAgent, refusal, request, retryAt, transcriptText } from "../src/meet/api";
import { Problem } from "../src/meet/problem";

afterEach(() => vi.unstubAllGlobals());

function answer(body: unknown, init: ResponseInit = {}): void {
  vi.stubGlobal("fetch", () => Promise.resolve(Response.json(body, init)));
}

describe("a refusal", () => {
  it.each([
    [404, { code: "agent_not_found" }, "unknown_agent"],
    [403, { code: "agent_draft" }, "agent_closed"],
    [410, { code: "agent_used" }, "agent_over"],
    [410, { code: "agent_expired" }, "agent_over"],
    [404, { code: "session_not_found" }, "session_refused"],
    [503, { code: "capacity_exhausted" }, "server_full"],
    [503, { code: "starting" }, "server_starting"],
    [503, {}, "server_full"],
    [429, {}, "server_full"],
    [401, { code: "token_expired" }, "session_refused"],
    [500, { code: "internal" }, "session_failed"],
  ])("of status %i with %j is %s", (status, body, kind) => {
    expect(refusal(new Response(null, { status }), body).kind).toBe(kind);
  });

  it("says when to try again", () => {
    const headers = { "Retry-After": "12" };
    const problem = refusal(new Response(null, { status: 503, headers }), {});
    expect(problem.retryAt! - Date.now()).toBeGreaterThan(11_000);
  });
});

it("reads Retry-After as seconds, as a date, and survives nonsense", () => {
  expect(retryAt("7", 1_000)).toBe(8_000);
  expect(retryAt("Thu, 01 Jan 2026 00:00:00 GMT", 0)).toBe(Date.UTC(2026, 0, 1));
  expect(retryAt("soon", 1_000)).toBe(11_000);
  expect(retryAt(null, 1_000)).toBe(11_000);
});

it("reports an unreachable server as such", async () => {
  vi.stubGlobal("fetch", () => Promise.reject(new TypeError("failed to fetch")));
  await expect(request("/", {})).rejects.toMatchObject({ kind: "server_unreachable" });
});

it("lets the caller's own abort through", async () => {
  vi.stubGlobal("fetch", (_: string, init: RequestInit) => {
    init.signal?.throwIfAborted();
    return Promise.reject(new Error("not aborted"));
  });
  const signal = AbortSignal.abort();
  await expect(request("/", { signal })).rejects.not.toBeInstanceOf(Problem);
});

it("fills what the server leaves out", async () => {
  answer({ name: "Ava" });
  const agent = await fetchAgent("demo");
  expect(agent).toMatchObject({ agentId: "demo", name: "Ava", language: "en", available: true });
  expect(agent.recording).toBe(false);
});

it("writes a transcript that people can read", () => {
  const lines = [
    { speaker: "agent", text: "Hi.", interrupted: false },
    { speaker: "user", text: "Hello.", interrupted: false },
    { speaker: "agent", text: "The moon is", interrupted: true },
  ];
  expect(transcriptText(lines, "Ava")).toBe("Ava: Hi.\n\nYou: Hello.\n\nAva: The moon is …\n");
});

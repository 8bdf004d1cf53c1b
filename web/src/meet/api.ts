/** The three calls that the page makes to the server before media flows. */

import { Problem } from "./problem";
import { isRecord } from "./rtvi";

export interface Agent {
  agentId: string;
  name: string;
  language: string;
  portraitUrl: string;
  available: boolean;
}

/** What starting a session grants: where the room is, and the token that opens it. */
export interface SessionGrant {
  sessionId: string;
  roomUrl: string;
  token: string;
  iceServers: RTCIceServer[];
  /** Where the transcript can be read, with the token; empty if the server offers none. */
  transcriptUrl: string;
}

const REQUEST_DEADLINE_MS = 15_000;

export async function fetchAgent(agentId: string): Promise<Agent> {
  const body = await request(`/v1/meet/${encodeURIComponent(agentId)}`, {});
  return {
    agentId,
    name: text(body["name"], agentId),
    language: text(body["language"], "en"),
    portraitUrl: text(body["portraitUrl"], ""),
    available: body["available"] !== false,
  };
}

export async function startSession(agentId: string, signal: AbortSignal): Promise<SessionGrant> {
  const body = await request("/v1/start-agent-session", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ agentId }),
    signal,
  });
  return {
    sessionId: text(body["sessionId"], ""),
    roomUrl: text(body["roomUrl"], ""),
    token: text(body["dailyToken"], ""),
    transcriptUrl: text(body["transcriptUrl"], ""),
    iceServers: Array.isArray(body["iceServers"]) ? (body["iceServers"] as RTCIceServer[]) : [],
  };
}

/** JSON from the server. Throws `Problem`, or the `AbortError` of the caller's own signal. */
export async function request(url: string, init: RequestInit): Promise<Record<string, unknown>> {
  const deadline = AbortSignal.timeout(REQUEST_DEADLINE_MS);
  const signal = init.signal ? AbortSignal.any([init.signal, deadline]) : deadline;
  let response: Response;
  try {
    response = await fetch(url, { ...init, signal });
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new Problem("server_unreachable");
  }
  const body: unknown = await response.json().catch(() => ({}));
  if (!response.ok) throw refusal(response, isRecord(body) ? body : {});
  return isRecord(body) ? body : {};
}

function refusal(response: Response, body: Record<string, unknown>): Problem {
  const detail = text(body["detail"], text(body["title"], ""));
  if (response.status === 404) return new Problem("unknown_agent", detail);
  if (response.status === 503 || response.status === 429) {
    return new Problem("server_full", detail, retryAt(response.headers.get("Retry-After")));
  }
  return new Problem("session_refused", detail);
}

/** `Retry-After` is seconds or an HTTP date; without one, ten seconds are a decent pause. */
export function retryAt(header: string | null, now = Date.now()): number {
  const seconds = Number(header ?? "10");
  if (Number.isFinite(seconds)) return now + seconds * 1000;
  const date = Date.parse(header ?? "");
  return Number.isNaN(date) ? now + 10_000 : date;
}

function text(value: unknown, fallback: string): string {
  return typeof value === "string" && value !== "" ? value : fallback;
}

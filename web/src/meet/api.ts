/** What the page asks of the server over HTTP, and what a refusal means. */

import type { FaceFiles } from "../renderer";
import { Problem, type ProblemKind } from "./problem";
import { isRecord } from "./rtvi";

export interface Agent {
  agentId: string;
  name: string;
  language: string;
  portraitUrl: string;
  available: boolean;
  /** It wants to record the conversation, and asks first. */
  recording: boolean;
}

/** What starting a session grants: where the room is, and the token that opens it. */
export interface SessionGrant {
  sessionId: string;
  roomUrl: string;
  token: string;
  iceServers: RTCIceServer[];
  /** What it takes to draw the face here; null where it comes as video. */
  avatar: FaceFiles | null;
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
    recording: body["recording"] === true,
  };
}

/** `drawing`: this page draws the face by itself, if the agent allows it. */
export async function startSession(agentId: string, drawing: boolean): Promise<SessionGrant> {
  const body = await request("/v1/start-agent-session", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ agentId, video_render: drawing ? "client" : "server" }),
  });
  return {
    sessionId: text(body["sessionId"], ""),
    roomUrl: text(body["roomUrl"], ""),
    token: text(body["dailyToken"], ""),
    iceServers: Array.isArray(body["iceServers"]) ? (body["iceServers"] as RTCIceServer[]) : [],
    avatar: faceFiles(body["avatar"]),
  };
}

function faceFiles(value: unknown): FaceFiles | null {
  if (!isRecord(value)) return null;
  const ground = isRecord(value["ground"]) ? value["ground"] : {};
  const colour = text(ground["colour"], "");
  return {
    rigUrl: text(value["rigUrl"], ""),
    meshUrl: text(value["meshUrl"], ""),
    deltasUrl: text(value["deltasUrl"], ""),
    ground:
      ground["kind"] === "transparent"
        ? { kind: "transparent" }
        : colour
          ? { kind: "colour", colour }
          : { kind: "own" },
  };
}

/** Give a session back that nobody will join; the page may be closing. */
export function abandonSession(grant: SessionGrant): void {
  const init = { method: "DELETE", headers: authorization(grant.token), keepalive: true };
  // If this fails, the unused session ends by itself when its token expires.
  fetch(grant.roomUrl, init).catch(() => undefined);
}

/** Whether the server has closed this session, which the other end of a dead link cannot say. */
export async function hasEnded(grant: SessionGrant): Promise<boolean> {
  const url = `/v1/session/${encodeURIComponent(grant.sessionId)}`;
  return (await request(url, { headers: authorization(grant.token) }))["state"] === "ended";
}

/** The conversation so far as plain text, one utterance a paragraph. */
export async function fetchTranscript(grant: SessionGrant, agentName: string): Promise<string> {
  const url = `/v1/session/${encodeURIComponent(grant.sessionId)}/transcript`;
  const { lines } = await request(url, { headers: authorization(grant.token) });
  return transcriptText(Array.isArray(lines) ? lines : [], agentName);
}

export function transcriptText(lines: readonly unknown[], agentName: string): string {
  const said = lines.filter(isRecord).map((line) => {
    const speaker = line["speaker"] === "agent" ? agentName : "You";
    return `${speaker}: ${text(line["text"], "")}${line["interrupted"] === true ? " …" : ""}\n`;
  });
  return said.join("\n");
}

export function authorization(token: string): Record<string, string> {
  return { Authorization: `Bearer ${token}` };
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

const KINDS: Record<string, ProblemKind> = {
  agent_not_found: "unknown_agent",
  agent_draft: "agent_closed",
  agent_used: "agent_over",
  agent_expired: "agent_over",
  capacity_exhausted: "server_full",
  starting: "server_starting",
  no_worker: "server_starting",
  worker_lost: "session_failed",
  worker_timeout: "session_failed",
  internal: "session_failed",
};

/** The problem behind a refusal: by its code, or where a proxy answered, by its status. */
export function refusal(response: Response, body: Record<string, unknown>): Problem {
  const retry = response.headers.get("Retry-After");
  const busy = response.status === 503 || response.status === 429;
  const kind = KINDS[text(body["code"], "")] ?? (busy ? "server_full" : "session_refused");
  return new Problem(kind, text(body["detail"], ""), busy ? retryAt(retry) : null);
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

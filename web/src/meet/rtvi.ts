/** RTVI, the message protocol on the data channel (Pipecat's client standard). */

export const RTVI_LABEL = "rtvi-ai";
export const RTVI_VERSION = "2.2.0";

export interface RtviMessage {
  id: string;
  type: string;
  data: Record<string, unknown>;
}

/** The message in a data-channel frame, or null for a frame that is not RTVI. */
export function decode(frame: unknown): RtviMessage | null {
  if (typeof frame !== "string") return null;
  const value = parse(frame);
  if (!isRecord(value) || value["label"] !== RTVI_LABEL || typeof value["type"] !== "string") {
    return null;
  }
  const { id, type, data } = value;
  return { id: typeof id === "string" ? id : "", type, data: isRecord(data) ? data : {} };
}

export function encode(type: string, data: Record<string, unknown> = {}): string {
  const id = Math.random().toString(36).slice(2, 10);
  return JSON.stringify({ id, label: RTVI_LABEL, type, data });
}

export function clientReady(): string {
  return encode("client-ready", {
    version: RTVI_VERSION,
    about: { library: "visavis-web", platform: "web" },
  });
}

/** Typed input: answered at once, and aloud. */
export function sendText(content: string): string {
  return encode("send-text", {
    content,
    options: { run_immediately: true, audio_response: true },
  });
}

/** The visitor's answer to being recorded; nothing is recorded without one. */
export function recordingConsent(granted: boolean): string {
  return encode("client-message", { t: "recording-consent", d: { granted } });
}

/** Whether the agent records, in its word on the visitor's answer; null in any other message. */
export function isRecording({ type, data }: RtviMessage): boolean | null {
  if (type !== "server-response" || data["t"] !== "recording-consent") return null;
  return isRecord(data["d"]) && data["d"]["recording"] === true;
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

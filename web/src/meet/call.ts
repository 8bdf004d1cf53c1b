/** The call as a state machine: what the page shows is a pure function of this state. */

import { asProblem, type Problem } from "./problem";
import type { Agent } from "./api";
import type { Captions } from "./captions";
import { hear, type as typed } from "./captions";
import { isRecording, type RtviMessage } from "./rtvi";

/** What the agent is doing, as the visitor sees it. */
export type Activity = "greeting" | "listening" | "hearing" | "thinking" | "speaking";

export type Phase =
  | { name: "loading" }
  | { name: "ready" }
  | { name: "connecting"; step: "microphone" | "session" | "room" }
  | { name: "live"; activity: Activity; since: number; interrupted: boolean }
  | { name: "ended"; seconds: number; byAgent: boolean }
  | { name: "failed"; problem: Problem };

export interface Call {
  readonly phase: Phase;
  readonly agent: Agent | null;
  readonly captions: Captions;
  readonly microphone: "on" | "muted" | "none";
  /** Whether the visitor agreed to be recorded; null before they were asked. */
  readonly consent: boolean | null;
  /** The agent says that it records. */
  readonly recorded: boolean;
  /** Where the transcript of the call that has ended can be read; empty until it is there. */
  readonly transcriptUrl: string;
}

export type CallEvent =
  | { type: "agent"; agent: Agent }
  | { type: "step"; step: "microphone" | "session" | "room" }
  | { type: "microphone"; state: Call["microphone"] }
  | { type: "consent"; granted: boolean }
  | { type: "joined"; now: number }
  | { type: "message"; message: RtviMessage }
  | { type: "typed"; content: string }
  | { type: "interrupted"; is: boolean }
  | { type: "ended"; now: number; byAgent: boolean }
  | { type: "transcript"; url: string }
  | { type: "failed"; error: unknown }
  | { type: "reset" };

export const INITIAL: Call = {
  phase: { name: "loading" },
  agent: null,
  captions: [],
  microphone: "none",
  consent: null,
  recorded: false,
  transcriptUrl: "",
};

export function next(call: Call, event: CallEvent): Call {
  switch (event.type) {
    case "agent":
      return { ...call, agent: event.agent, phase: { name: "ready" } };
    case "step":
      return { ...call, phase: { name: "connecting", step: event.step } };
    case "transcript":
      return { ...call, transcriptUrl: event.url };
    case "microphone":
      return { ...call, microphone: event.state };
    case "consent":
      return { ...call, consent: event.granted };
    case "joined":
      return {
        ...call,
        captions: [],
        recorded: false,
        transcriptUrl: "",
        phase: { name: "live", activity: "greeting", since: event.now, interrupted: false },
      };
    case "message":
      return listen(call, event.message);
    case "typed":
      return act({ ...call, captions: typed(call.captions, event.content) }, "thinking");
    case "interrupted":
      return call.phase.name === "live"
        ? { ...call, phase: { ...call.phase, interrupted: event.is } }
        : call;
    case "ended":
      return end(call, event.now, event.byAgent);
    case "failed":
      return {
        ...call,
        recorded: false,
        phase: { name: "failed", problem: asProblem(event.error) },
      };
    case "reset":
      return { ...call, phase: { name: "ready" }, consent: null };
  }
}

const ACTIVITIES: Record<string, Activity> = {
  "bot-ready": "listening",
  "user-started-speaking": "hearing",
  "user-stopped-speaking": "thinking",
  "bot-started-speaking": "speaking",
  "bot-stopped-speaking": "listening",
};

function listen(call: Call, message: RtviMessage): Call {
  const recorded = isRecording(message);
  if (recorded !== null) return { ...call, recorded };
  const heard = { ...call, captions: hear(call.captions, message) };
  if (isNoise(message) && isActing(call, "thinking")) return act(heard, "listening");
  const activity = ACTIVITIES[message.type];
  if (!activity) return heard;
  // Whoever speaks over the agent is being heard, also when the agent then falls silent.
  const overtaken = message.type === "bot-stopped-speaking" && !isActing(call, "speaking");
  return overtaken ? heard : act(heard, activity);
}

/** A final transcript without words: nothing was said, so no answer comes. */
function isNoise({ type, data }: RtviMessage): boolean {
  return type === "user-transcription" && data["final"] === true && data["text"] === "";
}

function isActing(call: Call, activity: Activity): boolean {
  return call.phase.name === "live" && call.phase.activity === activity;
}

function act(call: Call, activity: Activity): Call {
  if (call.phase.name !== "live") return call;
  return { ...call, phase: { ...call.phase, activity } };
}

function end(call: Call, now: number, byAgent: boolean): Call {
  const since = call.phase.name === "live" ? call.phase.since : now;
  const seconds = Math.round((now - since) / 1000);
  return { ...call, phase: { name: "ended", seconds, byAgent }, recorded: false, consent: null };
}

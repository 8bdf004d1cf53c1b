/** Every sentence the page says, in one place. */

import type { Activity, Phase } from "./call";
import type { Problem, ProblemKind } from "./problem";

export const ACTIVITY: Record<Activity, string> = {
  greeting: "Joining",
  listening: "Listening",
  hearing: "Hearing you",
  thinking: "Thinking",
  speaking: "Speaking",
};

export const STEP: Record<Extract<Phase, { name: "connecting" }>["step"], string> = {
  microphone: "Allow your microphone to be heard",
  session: "Calling",
  room: "Connecting",
};

interface Explanation {
  title: string;
  advice: string;
}

const PROBLEMS: Record<ProblemKind, Explanation> = {
  unknown_agent: {
    title: "There is nobody at this address",
    advice: "The link may be mistyped, or the agent was removed. Ask whoever sent it to you.",
  },
  agent_closed: {
    title: "Not open yet",
    advice: "Whoever makes this agent is still working on it. Please come back later.",
  },
  agent_over: {
    title: "This invitation is over",
    advice: "It was good for one conversation, or has expired. Ask for a new link.",
  },
  no_microphone: {
    title: "No microphone found",
    advice: "Plug one in and try again, or have the conversation by typing.",
  },
  microphone_refused: {
    title: "The microphone is blocked",
    advice:
      "Allow it with the icon beside the address bar and try again, or have the conversation by typing.",
  },
  microphone_busy: {
    title: "The microphone is in use",
    advice: "Close the other app that uses it and try again, or have the conversation by typing.",
  },
  insecure_page: {
    title: "The microphone needs a secure page",
    advice: "Browsers allow it only on https addresses. You can have the conversation by typing.",
  },
  unsupported_browser: {
    title: "This browser cannot make calls",
    advice: "Please open the link in a recent Chrome, Edge, Firefox or Safari.",
  },
  server_full: {
    title: "Everyone is in a conversation",
    advice: "A place should be free again shortly.",
  },
  server_starting: {
    title: "Still waking up",
    advice: "The server has just started and is loading. It will be ready in a moment.",
  },
  session_refused: {
    title: "The call was not accepted",
    advice: "Try again in a moment. If it keeps happening, tell whoever sent you the link.",
  },
  server_unreachable: {
    title: "The server does not answer",
    advice: "Check your internet connection, then try again.",
  },
  media_blocked: {
    title: "Sound and picture cannot get through",
    advice: "A firewall or VPN may be blocking calls. Try another network, or switch the VPN off.",
  },
  connection_lost: {
    title: "The connection was lost",
    advice: "Check your internet connection, then call again.",
  },
  session_failed: {
    title: "The call ended unexpectedly",
    advice: "Something went wrong on our side. Please try again.",
  },
};

export function explain(problem: Problem): Explanation {
  return PROBLEMS[problem.kind];
}

export function tagline(language: string): string {
  return `AI assistant · speaks ${languageName(language)}`;
}

export const RECORDED = "This conversation is being recorded.";

export function consentQuestion(name: string): string {
  return `If you agree, this conversation is recorded: your voice, and ${name}’s voice and picture.`;
}

/** "Try again", or how long until that makes sense. */
export function retryLabel(secondsLeft: number): string {
  return secondsLeft > 0 ? `Try again in ${secondsLeft} s` : "Try again";
}

/** Seconds as a call timer shows them: 0:07, 12:30, 1:02:03. */
export function clock(seconds: number): string {
  const [hours, minutes, rest] = [
    Math.floor(seconds / 3600),
    Math.floor(seconds / 60) % 60,
    Math.floor(seconds) % 60,
  ];
  const tail = rest.toString().padStart(2, "0");
  return hours > 0
    ? `${hours}:${minutes.toString().padStart(2, "0")}:${tail}`
    : `${minutes}:${tail}`;
}

function languageName(code: string): string {
  try {
    return new Intl.DisplayNames(["en"], { type: "language" }).of(code) ?? code;
  } catch {
    return code;
  }
}

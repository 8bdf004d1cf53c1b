/** The page's states, still, for designing: `npm run dev`, then /dev/story.html?state=live. */

import "../src/meet/meet.css";
import { INITIAL, next, type Call, type CallEvent } from "../src/meet/call";
import { Problem, type ProblemKind } from "../src/meet/problem";
import { backdropOf } from "../src/meet/tint";
import { View } from "../src/meet/view";

const query = new URLSearchParams(location.search);
const [state = "ready", kind = ""] = (query.get("state") ?? "ready").split(":");
const NOW = Date.now();

const said = (type: string, data: Record<string, unknown> = {}): CallEvent => ({
  type: "message",
  message: { id: "", type, data },
});
const user = (text: string, final = true) => said("user-transcription", { text, final });
const agent = (text: string) => said("bot-output", { text, spoken: true });

const READY: CallEvent[] = [
  {
    type: "agent",
    agent: {
      agentId: "demo",
      name: "Ava",
      language: "en",
      portraitUrl: query.get("portrait") ?? "/dev/portrait.png",
      available: true,
      recording: state === "consent" || state === "recorded",
    },
  },
];
const LIVE: CallEvent[] = [
  ...READY,
  { type: "microphone", state: "on" },
  { type: "joined", now: NOW - 42_000 },
  agent("Hi, I am Ava. What would you like to know?"),
  said("bot-stopped-speaking"),
  user("How far away is the moon?"),
];

const STORIES: Record<string, CallEvent[]> = {
  ready: READY,
  consent: READY,
  recorded: [
    ...LIVE,
    said("server-response", { t: "recording-consent", d: { granted: true, recording: true } }),
  ],
  connecting: [...READY, { type: "step", step: "session" }],
  speaking: [
    ...LIVE,
    said("bot-started-speaking"),
    agent("The moon is about three hundred and eighty-four thousand kilometres"),
    agent("away, which light covers in a little over a second."),
  ],
  long: [
    ...LIVE,
    ...Array.from({ length: 6 }, (_, turn) => [
      said("bot-started-speaking"),
      agent("That is a good question, and the answer takes more than one line to give in full."),
      said("bot-stopped-speaking"),
      user(`And what about number ${turn + 1}?`),
    ]).flat(),
  ],
  listening: [...LIVE.slice(0, -1), said("bot-ready")],
  hearing: [...LIVE.slice(0, -1), said("user-started-speaking"), user("How far away is", false)],
  thinking: [...LIVE, said("user-stopped-speaking")],
  muted: [...LIVE, { type: "microphone", state: "muted" }, said("bot-ready")],
  reconnecting: [...LIVE, said("bot-ready"), { type: "interrupted", is: true }],
  ended: [...LIVE, { type: "ended", now: NOW, byAgent: false }, { type: "transcript", url: "#" }],
  failed: [
    ...READY,
    {
      type: "failed",
      error: new Problem(
        (kind || "microphone_refused") as ProblemKind,
        "",
        kind === "server_full" ? NOW + 12_000 : null,
      ),
    },
  ],
  unknown: [{ type: "failed", error: new Problem("unknown_agent") }],
};

async function tell(): Promise<void> {
  const page = new DOMParser().parseFromString(await (await fetch("/meet.html")).text(), "text/html");
  document.head.append(...page.head.querySelectorAll("meta"));
  document.body.replaceWith(page.body);
  const nothing = () => undefined;
  const view = new View({
    start: nothing,
    answer: nothing,
    cancel: nothing,
    end: nothing,
    toggleMicrophone: nothing,
    say: nothing,
    interrupt: nothing,
    playSound: nothing,
  });
  const call = (STORIES[state] ?? READY).reduce<Call>(next, INITIAL);
  view.portrait.addEventListener("load", () => {
    document.documentElement.style.setProperty("--backdrop", backdropOf(view.portrait));
  });
  view.show(call);
  view.level(0.6);
}

void tell();

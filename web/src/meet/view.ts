/** The page: shows a call's state, and reports what the visitor does. */

import type { Call, Phase } from "./call";
import type { Captions, Line } from "./captions";
import { canTypeInstead, isFinal } from "./problem";
import {
  ACTIVITY,
  clock,
  consentQuestion,
  explain,
  RECORDED,
  retryLabel,
  STEP,
  tagline,
} from "./words";

export interface Actions {
  start(withMicrophone: boolean): void;
  answer(consent: boolean): void;
  cancel(): void;
  end(): void;
  toggleMicrophone(): void;
  say(content: string): void;
  interrupt(): void;
  playSound(): void;
}

function element<T extends HTMLElement = HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (!found) throw new Error(`The page has no element #${id}.`);
  return found as T;
}

export class View {
  readonly video = element<HTMLVideoElement>("video");
  private readonly face = element("face");
  readonly portrait = element<HTMLImageElement>("portrait");
  private readonly field = element<HTMLInputElement>("field");
  private readonly mute = element<HTMLButtonElement>("mute");
  private readonly retry = element<HTMLButtonElement>("retry");
  private readonly list = element("captions");
  private readonly lines = new Map<number, HTMLElement>();
  private shown: Call | null = null;

  constructor(private readonly actions: Actions) {
    const on = (id: string, act: () => void) => element(id).addEventListener("click", act);
    for (const id of ["start", "again", "retry"]) on(id, () => actions.start(true));
    on("accept", () => actions.answer(true));
    on("decline", () => actions.answer(false));
    on("type-instead", () => actions.start(false));
    on("cancel", () => actions.cancel());
    on("end", () => actions.end());
    on("mute", () => actions.toggleMicrophone());
    on("sound", () => actions.playSound());
    element("bar").addEventListener("submit", (event) => this.submit(event));
    this.field.addEventListener("input", () => this.showSend());
    document.addEventListener("keydown", (event) => this.key(event));
  }

  /** Show this state. Cheap to call again: only what changed is touched. */
  show(call: Call): void {
    const before = this.shown;
    this.shown = call;
    document.body.dataset["microphone"] = call.microphone;
    if (call.agent !== before?.agent) this.showAgent(call);
    if (call.phase !== before?.phase) this.showPhase(call, before?.phase ?? null);
    if (call.transcriptUrl !== before?.transcriptUrl) this.showTranscript(call);
    if (call.captions !== before?.captions) this.showCaptions(call);
    if (call.recorded !== before?.recorded) this.showRecorded(call);
    this.mute.setAttribute("aria-label", MICROPHONE[call.microphone]);
    this.mute.title = MICROPHONE[call.microphone];
  }

  /** Once a second: the call's timer and the countdown until trying again. */
  tick(now: number): void {
    const phase = this.shown?.phase;
    if (phase?.name === "live") {
      element("timer").textContent = clock((now - phase.since) / 1000);
    }
    if (phase?.name === "failed") {
      const left = Math.ceil(((phase.problem.retryAt ?? 0) - now) / 1000);
      this.retry.disabled = left > 0;
      this.retry.textContent = retryLabel(left);
    }
  }

  /** The visitor's loudness, 0 to 1. */
  level(level: number): void {
    this.mute.style.setProperty("--level", level.toFixed(2));
  }

  /** Fade from the portrait to the live face, or back. */
  showFace(live: boolean): void {
    this.face.toggleAttribute("data-live", live);
  }

  /** A canvas over the video, for a face that is drawn here. */
  addCanvas(): HTMLCanvasElement {
    const canvas = document.createElement("canvas");
    canvas.className = "drawn";
    canvas.setAttribute("aria-hidden", "true");
    this.video.after(canvas);
    return canvas;
  }

  /** Whether the face is drawn here, rather than seen in the video. */
  showDrawn(drawn: boolean): void {
    this.face.toggleAttribute("data-drawn", drawn);
  }

  askForSound(blocked: boolean): void {
    element("sound").hidden = !blocked;
  }

  private showAgent({ agent }: Call): void {
    if (!agent) return;
    document.title = `Talk to ${agent.name}`;
    element("name").textContent = agent.name;
    element("strip-name").textContent = agent.name;
    element("start").textContent = `Talk to ${agent.name}`;
    element("tagline").textContent = tagline(agent.language);
    element("start").hidden = agent.recording;
    element("consent").hidden = !agent.recording;
    element("consent-text").textContent = consentQuestion(agent.name);
    if (!agent.available) {
      element("fine").textContent = "The server is still loading. It may take a moment.";
    }
    if (agent.portraitUrl) {
      this.portrait.src = agent.portraitUrl;
      this.portrait.alt = `Portrait of ${agent.name}`;
      this.portrait.hidden = false;
    }
  }

  private showPhase(call: Call, before: Phase | null): void {
    const { phase } = call;
    document.body.dataset["phase"] = phase.name;
    for (const name of ["ready", "connecting", "live", "ended", "failed"]) {
      element(`panel-${name}`).hidden = phase.name !== name;
    }
    this.face.hidden = phase.name === "failed" && call.agent === null;
    element("strip").hidden = phase.name !== "live";
    element("notice").hidden = !(phase.name === "live" && phase.interrupted);
    if (phase.name === "live") this.showLive(phase);
    if (phase.name === "connecting") element("step").textContent = STEP[phase.step];
    if (phase.name === "failed") this.showProblem(phase);
    if (phase.name === "ended") this.showEnd(call, phase);
    this.tick(Date.now());
    const arrived = before && before.name !== "loading" && before.name !== phase.name;
    if (arrived) this.moveFocus(phase);
  }

  private showLive(phase: Extract<Phase, { name: "live" }>): void {
    document.body.dataset["activity"] = phase.activity;
    element("activity").textContent = ACTIVITY[phase.activity];
  }

  private showProblem({ problem }: Extract<Phase, { name: "failed" }>): void {
    const { title, advice } = explain(problem);
    element("problem-title").textContent = title;
    element("problem-advice").textContent = advice;
    element("type-instead").hidden = !canTypeInstead(problem.kind);
    this.retry.hidden = isFinal(problem.kind);
  }

  private showEnd(call: Call, phase: Extract<Phase, { name: "ended" }>): void {
    const name = call.agent?.name ?? "The agent";
    element("ended-title").textContent = phase.byAgent ? `${name} ended the call` : "Call ended";
    element("ended-lead").textContent = `You talked with ${name} for ${clock(phase.seconds)}.`;
  }

  private showRecorded({ recorded }: Call): void {
    element("recorded").hidden = !recorded;
    if (recorded) element("spoken").textContent = RECORDED;
  }

  private showTranscript({ transcriptUrl }: Call): void {
    const link = element<HTMLAnchorElement>("transcript");
    if (transcriptUrl === "") link.removeAttribute("href");
    else link.href = transcriptUrl;
  }

  private showCaptions({ captions, agent }: Call): void {
    const wasAtEnd = this.list.scrollHeight - this.list.scrollTop - this.list.clientHeight < 48;
    this.forgetLines(captions);
    for (const line of captions) this.showLine(line, agent?.name ?? "");
    if (wasAtEnd) this.list.scrollTop = this.list.scrollHeight;
  }

  private showLine(line: Line, agentName: string): void {
    let item = this.lines.get(line.id);
    if (!item) {
      item = document.createElement("li");
      this.lines.set(line.id, item);
      this.list.append(item);
    }
    if (item.textContent !== line.text) item.textContent = line.text;
    if (line.final && item.dataset["final"] === undefined) {
      // Screen readers hear whole lines; a caption that grows word by word would stutter.
      element("spoken").textContent = `${line.speaker === "agent" ? agentName : "You"}: ${line.text}`;
      item.dataset["final"] = "";
    }
    item.className = line.final ? line.speaker : `${line.speaker} open`;
  }

  private forgetLines(captions: Captions): void {
    const kept = new Set(captions.map((line) => line.id));
    for (const [id, item] of this.lines) {
      if (kept.has(id)) continue;
      item.remove();
      this.lines.delete(id);
    }
  }

  /** The next thing to press has the focus, so that the keyboard alone leads through a call. */
  private moveFocus(phase: Phase): void {
    const ready = this.asks() ? "accept" : "start";
    const target = { ready, connecting: "cancel", ended: "again", failed: "retry" };
    if (phase.name === "live") this.list.focus({ preventScroll: true });
    else if (phase.name !== "loading") element(target[phase.name]).focus({ preventScroll: true });
  }

  /** Whether there is a question that only the visitor can answer. */
  private asks(): boolean {
    return this.shown?.agent?.recording === true;
  }

  private submit(event: Event): void {
    event.preventDefault();
    const content = this.field.value.trim();
    if (content === "") return;
    this.field.value = "";
    this.showSend();
    this.actions.say(content);
  }

  private showSend(): void {
    element("send").hidden = this.field.value.trim() === "";
  }

  private key(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const phase = this.shown?.phase.name;
    const onControl = event.target instanceof Element && event.target.matches("button, a, input");
    if (event.key === "Escape") {
      if (phase === "connecting") this.actions.cancel();
      else if (document.activeElement === this.field) this.list.focus();
      else if (phase === "live") this.actions.interrupt();
    } else if (event.target === this.field) {
      return;
    } else if (phase === "live" && event.key.toLowerCase() === "m") {
      this.actions.toggleMicrophone();
    } else if (phase === "live" && event.key === "/") {
      event.preventDefault();
      this.field.focus();
    } else if (phase === "ready" && !onControl && !this.asks() && /^( |Enter)$/.test(event.key)) {
      event.preventDefault();
      this.actions.start(true);
    }
  }
}

const MICROPHONE: Record<Call["microphone"], string> = {
  on: "Mute the microphone (M)",
  muted: "Unmute the microphone (M)",
  none: "Turn on the microphone (M)",
};

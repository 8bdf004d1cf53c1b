/** The hosted page: joins the state of the call, what it shows, and the room. */

import type { FaceFiles } from "../renderer";
import {
  abandonSession,
  fetchAgent,
  fetchTranscript,
  hasEnded,
  startSession,
  type SessionGrant,
} from "./api";
import { INITIAL, next, type CallEvent } from "./call";
import { canDraw, drawFace } from "./drawn";
import type { Link } from "./link";
import { openMicrophone, type Microphone } from "./microphone";
import { Problem } from "./problem";
import { Room } from "./room";
import { encode, recordingConsent, sendText, type RtviMessage } from "./rtvi";
import { backdropOf } from "./tint";
import { View } from "./view";

/** What a running call holds, and must give back. */
interface Held {
  readonly abort: AbortController;
  microphone: Microphone | null;
  grant: SessionGrant | null;
  room: Room | null;
  /** Stops drawing the face, where it is drawn here. */
  undraw: (() => void) | null;
  /** The agent has announced that it cannot go on; it still says so aloud before it leaves. */
  failing: Problem | null;
}

const FADE_MS = 700;
const FOLLOW_LEVEL_MS = 50;

let call = INITIAL;
let held: Held | null = null;

const view = new View({ start, answer, cancel, end, toggleMicrophone, say, interrupt, playSound });

function dispatch(event: CallEvent): void {
  call = next(call, event);
  view.show(call);
}

async function load(): Promise<void> {
  const agentId = decodeURIComponent(location.pathname.split("/").filter(Boolean).at(-1) ?? "");
  try {
    dispatch({ type: "agent", agent: await fetchAgent(agentId) });
  } catch (error) {
    dispatch({ type: "failed", error });
  }
}

/** Whether the conversation may be recorded; either way it begins. */
function answer(granted: boolean): void {
  dispatch({ type: "consent", granted });
  void start(true);
}

async function start(withMicrophone: boolean): Promise<void> {
  if (held) return;
  if (!call.agent) return load();
  // Every conversation is asked for anew.
  if (call.agent.recording && call.consent === null) return dispatch({ type: "reset" });
  const mine: Held = {
    abort: new AbortController(),
    microphone: null,
    grant: null,
    room: null,
    undraw: null,
    failing: null,
  };
  held = mine;
  try {
    await connect(mine, call.agent.agentId, withMicrophone);
  } catch (error) {
    const cancelled = mine.abort.signal.aborted;
    void release(mine);
    if (!cancelled) dispatch({ type: "failed", error });
  }
}

async function connect(mine: Held, agentId: string, withMicrophone: boolean): Promise<void> {
  const { signal } = mine.abort;
  if (!("RTCPeerConnection" in window)) throw new Problem("unsupported_browser");
  // The microphone comes first: a visitor who refuses it has not used up a session.
  if (withMicrophone) {
    dispatch({ type: "step", step: "microphone" });
    mine.microphone = await openMicrophone();
    signal.throwIfAborted();
  }
  dispatch({ type: "microphone", state: mine.microphone ? "on" : "none" });
  dispatch({ type: "step", step: "session" });
  mine.grant = await startSession(agentId, canDraw());
  signal.throwIfAborted();
  dispatch({ type: "step", step: "room" });
  const handlers = { media, message, link, left };
  const track = mine.microphone?.track ?? null;
  const first = call.consent === null ? [] : [recordingConsent(call.consent)];
  const joining = Room.join(mine.grant, track, handlers, signal, first);
  if (mine.grant.avatar) void draw(mine, mine.grant.avatar, joining);
  mine.room = await joining;
  dispatch({ type: "joined", now: Date.now() });
}

/** Draw the face here. Where that fails, the agent sends video. */
async function draw(mine: Held, files: FaceFiles, joining: Promise<Room>): Promise<void> {
  const canvas = view.addCanvas();
  const show = (drawn: boolean) => {
    view.showDrawn(drawn && held === mine);
    if (drawn) view.showFace(held === mine);
  };
  const close = await drawFace(joining, files, canvas, show).catch(() => null);
  const undraw = () => {
    close?.();
    canvas.remove();
  };
  if (!close || mine.abort.signal.aborted) undraw();
  else mine.undraw = undraw;
}

function cancel(): void {
  if (held) void release(held);
  dispatch({ type: "reset" });
}

function end(): void {
  finish(false);
}

function finish(byAgent: boolean): void {
  const mine = held;
  if (!mine) return;
  const left = release(mine);
  dispatch({ type: "ended", now: Date.now(), byAgent });
  void left.then(() => offerTranscript(mine));
}

/** A text to open in a tab. It is fetched with the room's token, which no link could carry. */
async function offerTranscript({ grant }: Held): Promise<void> {
  if (!grant) return;
  const text = await fetchTranscript(grant, call.agent?.name ?? "Agent").catch(() => "");
  if (text === "" || held) return;
  const blob = new Blob([text], { type: "text/plain;charset=utf-8" });
  dispatch({ type: "transcript", url: URL.createObjectURL(blob) });
}

/** Give everything back; safe to call again when something arrived late. */
async function release(mine: Held): Promise<void> {
  if (held === mine) held = null;
  mine.abort.abort();
  mine.microphone?.close();
  mine.microphone = null;
  if (mine.grant && !mine.room) {
    abandonSession(mine.grant);
    mine.grant = null;
  }
  view.level(0);
  view.showFace(false);
  view.showDrawn(false);
  const { undraw } = mine;
  mine.undraw = null;
  setTimeout(() => undraw?.(), FADE_MS);
  setTimeout(() => {
    if (!held) view.video.srcObject = null;
  }, FADE_MS);
  await mine.room?.leave();
}

function media(stream: MediaStream): void {
  const { video } = view;
  video.srcObject = stream;
  video.requestVideoFrameCallback(() => view.showFace(held !== null));
  playSound();
}

function playSound(): void {
  view.video.muted = false;
  view.video.play().then(
    () => view.askForSound(false),
    (error: DOMException) => view.askForSound(error.name === "NotAllowedError"),
  );
}

function message(received: RtviMessage): void {
  dispatch({ type: "message", message: received });
  if (held && received.type === "error" && received.data["fatal"] === true) {
    held.failing = new Problem("session_failed", String(received.data["error"] ?? ""));
  }
}

function left(): void {
  if (held?.failing) fail(held.failing);
  else finish(true);
}

function link(state: Link): void {
  if (state === "lost") fail(held?.failing ?? new Problem("connection_lost"));
  else dispatch({ type: "interrupted", is: state === "interrupted" });
  if (state === "interrupted" && held) void giveUpIfEnded(held);
}

/** No need to wait for a call to come back whose session is already over. */
async function giveUpIfEnded(mine: Held): Promise<void> {
  const over = mine.grant && (await hasEnded(mine.grant).catch(() => false));
  if (over && held === mine) fail(mine.failing ?? new Problem("connection_lost"));
}

function fail(problem: Problem): void {
  if (!held) return;
  void release(held);
  dispatch({ type: "failed", error: problem });
}

function say(content: string): void {
  held?.room?.send(sendText(content));
  dispatch({ type: "typed", content });
}

/** Ask the agent to stop talking. */
function interrupt(): void {
  held?.room?.send(encode("client-message", { t: "interrupt" }));
}

/** Mute or unmute; in a call that began without a microphone, try to open one. */
async function toggleMicrophone(): Promise<void> {
  const mine = held;
  if (!mine?.room) return;
  if (mine.microphone) {
    const { track } = mine.microphone;
    track.enabled = !track.enabled;
    dispatch({ type: "microphone", state: track.enabled ? "on" : "muted" });
    return;
  }
  mine.microphone = await openMicrophone().catch(() => null);
  if (mine.abort.signal.aborted) return void mine.microphone?.close();
  await mine.room.setTrack(mine.microphone?.track ?? null);
  dispatch({ type: "microphone", state: mine.microphone ? "on" : "none" });
}

function takeBackdrop(portrait: HTMLImageElement): void {
  const backdrop = backdropOf(portrait);
  if (backdrop) document.documentElement.style.setProperty("--backdrop", backdrop);
}

view.portrait.addEventListener("load", () => takeBackdrop(view.portrait));
window.addEventListener("pagehide", end);
setInterval(() => view.tick(Date.now()), 1000);
setInterval(() => held?.microphone && view.level(held.microphone.level()), FOLLOW_LEVEL_MS);
view.show(call);
void load();

import { describe, expect, it } from "vitest";
import { hear, type, type Captions } from "../src/meet/captions";
import type { RtviMessage } from "../src/meet/rtvi";

const message = (type: string, data: Record<string, unknown> = {}): RtviMessage => ({
  id: "",
  type,
  data,
});
const user = (text: string, final: boolean) => message("user-transcription", { text, final });
const word = (text: string, segment_id = 1) =>
  message("bot-output", { text, spoken: true, spoken_status: "completed", segment_id });
const STOPPED = message("bot-stopped-speaking");

const after = (...messages: RtviMessage[]): Captions => messages.reduce(hear, [] as Captions);
const texts = (captions: Captions) => captions.map((line) => `${line.speaker}: ${line.text}`);

describe("the user's side", () => {
  it("grows with partial transcripts and settles with the final one", () => {
    const partial = after(user("how far", false), user("how far is", false));
    expect(texts(partial)).toEqual(["user: how far is"]);
    expect(partial[0]?.final).toBe(false);
    const final = hear(partial, user("How far is it?", true));
    expect(texts(final)).toEqual(["user: How far is it?"]);
    expect(final[0]?.final).toBe(true);
  });

  it("starts a new line for the next utterance", () => {
    expect(texts(after(user("One.", true), user("Two.", true)))).toEqual(["user: One.", "user: Two."]);
  });

  it("ignores empty transcripts", () => {
    expect(after(user("", false))).toEqual([]);
  });

  it("takes back a partial transcript that turns out to be noise", () => {
    expect(texts(after(user("One.", true), user("uh", false), user("", true)))).toEqual([
      "user: One.",
    ]);
  });

  it("shows typed input once, although the agent finishes a word before the server repeats it", () => {
    const typed = hear(type([], "Hello there"), word("Well"));
    const both = hear(typed, user("Hello there", true));
    expect(texts(both)).toEqual(["user: Hello there", "agent: Well"]);
    expect(texts(hear(both, user("Hello there", true)))).toHaveLength(3);
  });

  it("shows typed input once, although the server repeats it", () => {
    const typed = type([], "Hello there");
    expect(texts(hear(typed, user("Hello there", true)))).toEqual(["user: Hello there"]);
  });

  it("finishes its own line when the agent has spoken in between", () => {
    const captions = after(user("wait", false), word("Sorry"), user("Wait.", true));
    expect(texts(captions)).toEqual(["user: Wait.", "agent: Sorry"]);
  });
});

describe("the agent's side", () => {
  it("joins words as they become audible, with no space before punctuation", () => {
    expect(texts(after(word("Hello"), word("there"), word("!"), word("I am Ava.")))).toEqual([
      "agent: Hello there! I am Ava.",
    ]);
  });

  it("shows nothing that has not been heard yet", () => {
    const ahead = message("bot-output", { text: "Later.", spoken: false, spoken_status: "new" });
    expect(after(ahead)).toEqual([]);
  });

  it("begins a new line after it has stopped", () => {
    const captions = after(word("One."), STOPPED, word("Two.", 2));
    expect(texts(captions)).toEqual(["agent: One.", "agent: Two."]);
    expect(captions.map((line) => line.final)).toEqual([true, false]);
  });

  it("keeps only what was heard when the user barges in", () => {
    const captions = after(word("The moon is"), user("stop", false), STOPPED);
    expect(texts(captions)).toEqual(["agent: The moon is", "user: stop"]);
    expect(captions[0]?.final).toBe(true);
  });

  it("understands segments with progress, and late progress of an older line", () => {
    const progress = (segment_id: number, accumulated_text: string) =>
      message("bot-output", { text: "All.", segment_id, spoken_progress: { accumulated_text } });
    const captions = after(
      progress(7, ""),
      progress(7, "The moon"),
      progress(8, "Far."),
      user("What?", true),
      progress(7, "The moon is"),
    );
    expect(texts(captions)).toEqual(["agent: The moon is Far.", "user: What?"]);
  });
});

it("leaves captions untouched by messages that say nothing", () => {
  const captions = after(word("Hi"));
  expect(hear(captions, message("metrics"))).toBe(captions);
});

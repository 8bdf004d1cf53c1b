/** The captions of both sides, built from RTVI messages; a pure fold, oldest line first. */

import { isRecord, type RtviMessage } from "./rtvi";

export interface Line {
  readonly id: number;
  readonly speaker: "user" | "agent";
  readonly text: string;
  /** A line that is not final may still change. */
  readonly final: boolean;
  /** Typed here; the server has not repeated it yet. */
  readonly unheard?: boolean;
  /** The agent's segments that this line was built from, by segment id. */
  readonly segments: ReadonlyMap<number, string>;
}

export type Captions = readonly Line[];

/** The captions after one more message. Messages that say nothing leave them as they are. */
export function hear(captions: Captions, message: RtviMessage): Captions {
  switch (message.type) {
    case "user-transcription":
      return hearUser(captions, text(message.data["text"]), message.data["final"] === true);
    case "bot-output":
      return hearAgent(captions, message.data);
    case "bot-stopped-speaking":
      return close(captions, "agent");
    default:
      return captions;
  }
}

/** The captions after the user typed something: it is on the page before the server knows. */
export function type(captions: Captions, content: string): Captions {
  const typed = append(close(captions, "agent"), "user", content, true);
  return typed.map((line) => (line === typed.at(-1) ? { ...line, unheard: true } : line));
}

function hearUser(captions: Captions, words: string, final: boolean): Captions {
  const open = captions.findLast((line) => line.speaker === "user" && !line.final);
  // A final transcript without words takes back what seemed to be some.
  if (words === "") return final && open ? captions.filter((line) => line !== open) : captions;
  // The server repeats typed input as a transcript; the page shows it once, whatever the agent said
  // meanwhile.
  const typed = captions.findLast((line) => line.unheard === true && line.text === words);
  if (final && typed) return replace(captions, { ...typed, unheard: false });
  if (open) return replace(captions, { ...open, text: words, final });
  return append(close(captions, "agent"), "user", words, final);
}

function hearAgent(captions: Captions, data: Record<string, unknown>): Captions {
  const segment = typeof data["segment_id"] === "number" ? data["segment_id"] : null;
  const progress = isRecord(data["spoken_progress"]) ? data["spoken_progress"] : null;
  if (progress && segment !== null) {
    return hearSegment(captions, segment, text(progress["accumulated_text"]));
  }
  const audible = data["spoken"] !== false && data["spoken_status"] !== "new";
  const unspoken = data["will_be_spoken"] === false;
  const words = text(data["text"]);
  return words !== "" && (audible || unspoken) ? hearWords(captions, words) : captions;
}

/** Protocol 2 with progress: each message carries all that was heard of its segment. */
function hearSegment(captions: Captions, segment: number, heard: string): Captions {
  if (heard === "") return captions;
  const known = captions.findLast((line) => line.segments.has(segment));
  const line = known ?? openLine(captions, "agent");
  const segments = new Map(line?.segments).set(segment, heard);
  const whole = [...segments.values()].reduce(join, "");
  if (!line) return append(captions, "agent", whole, false, segments);
  return replace(captions, { ...line, text: whole, segments });
}

/** Words that have just become audible. */
function hearWords(captions: Captions, words: string): Captions {
  const line = openLine(captions, "agent");
  if (!line) return append(captions, "agent", words.trim(), false);
  return replace(captions, { ...line, text: join(line.text, words) });
}

/** The speaker's line that is still growing: the last one, unless the other side spoke since. */
function openLine(captions: Captions, speaker: Line["speaker"]): Line | null {
  const last = captions.at(-1);
  return last && last.speaker === speaker && !last.final ? last : null;
}

function append(
  captions: Captions,
  speaker: Line["speaker"],
  words: string,
  final: boolean,
  segments: ReadonlyMap<number, string> = new Map(),
): Captions {
  const id = (captions.at(-1)?.id ?? 0) + 1;
  return [...captions, { id, speaker, text: words, final, segments }];
}

function replace(captions: Captions, changed: Line): Captions {
  return captions.map((line) => (line.id === changed.id ? changed : line));
}

function close(captions: Captions, speaker: Line["speaker"]): Captions {
  const open = openLine(captions, speaker);
  return open ? replace(captions, { ...open, final: true }) : captions;
}

/** One space between words, none before punctuation. */
function join(before: string, after: string): string {
  const next = after.trim();
  if (before === "" || next === "") return before + next;
  return /^[.,!?;:…’')\]]/.test(next) ? before + next : `${before.trimEnd()} ${next}`;
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

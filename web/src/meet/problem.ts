/** What can go wrong, as the visitor meets it. */

export type ProblemKind =
  | "unknown_agent"
  | "agent_closed"
  | "agent_over"
  | "no_microphone"
  | "microphone_refused"
  | "microphone_busy"
  | "insecure_page"
  | "unsupported_browser"
  | "server_full"
  | "server_starting"
  | "session_refused"
  | "server_unreachable"
  | "media_blocked"
  | "connection_lost"
  | "session_failed";

export class Problem extends Error {
  constructor(
    readonly kind: ProblemKind,
    readonly detail = "",
    /** Unix ms before which trying again is pointless. */
    readonly retryAt: number | null = null,
  ) {
    super(detail || kind);
  }
}

/** Problems that trying again cannot mend. */
export function isFinal(kind: ProblemKind): boolean {
  return kind === "unknown_agent" || kind === "agent_closed" || kind === "agent_over";
}

/** Problems after which the visitor can still take part by typing. */
export function canTypeInstead(kind: ProblemKind): boolean {
  return (
    kind === "no_microphone" ||
    kind === "microphone_refused" ||
    kind === "microphone_busy" ||
    kind === "insecure_page"
  );
}

/** The problem behind anything thrown while starting a session. */
export function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  return new Problem("session_failed", error instanceof Error ? error.message : String(error));
}

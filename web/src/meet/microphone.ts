/** The visitor's microphone: opening it, its level, and why it would not open. */

import { Problem, type ProblemKind } from "./problem";

export interface Microphone {
  track: MediaStreamTrack;
  /** Loudness now, 0 (silence) to 1 (loud speech). */
  level(): number;
  close(): void;
}

const REASONS: Record<string, ProblemKind> = {
  NotFoundError: "no_microphone",
  OverconstrainedError: "no_microphone",
  NotAllowedError: "microphone_refused",
  SecurityError: "microphone_refused",
  NotReadableError: "microphone_busy",
  AbortError: "microphone_busy",
};

export async function openMicrophone(): Promise<Microphone> {
  if (!window.isSecureContext) throw new Problem("insecure_page");
  if (!navigator.mediaDevices) throw new Problem("unsupported_browser");
  const stream = await navigator.mediaDevices
    .getUserMedia({
      audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true },
    })
    .catch((error: DOMException) => {
      throw new Problem(REASONS[error.name] ?? "microphone_busy", error.message);
    });
  const track = stream.getAudioTracks()[0];
  if (!track) throw new Problem("no_microphone");
  const meter = openMeter(stream);
  return {
    track,
    level: () => (track.enabled ? meter.level() : 0),
    close() {
      track.stop();
      meter.close();
    },
  };
}

function openMeter(stream: MediaStream): { level(): number; close(): void } {
  const context = new AudioContext();
  const analyser = new AnalyserNode(context, { fftSize: 512 });
  context.createMediaStreamSource(stream).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  return {
    level() {
      analyser.getFloatTimeDomainData(samples);
      return loudness(samples);
    },
    close: () => void context.close(),
  };
}

/** RMS on a scale that fits speech: −50 dBFS is 0, −14 dBFS is 1. */
export function loudness(samples: Float32Array): number {
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  const decibels = 10 * Math.log10(sum / samples.length + 1e-10);
  return Math.min(1, Math.max(0, (decibels + 50) / 36));
}

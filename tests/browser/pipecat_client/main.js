/**
 * The Pipecat client as anyone would use it, against a visavis room.
 *
 * The transport's default media manager fetches the Daily call machine from a CDN when it opens the
 * microphone. The package's other media manager records with the browser alone, so it is used here.
 */

import { PipecatClient } from "@pipecat-ai/client-js";
import { SmallWebRTCTransport, WavMediaManager } from "@pipecat-ai/small-webrtc-transport";

const seen = [];
const note = (name) => (data) => void seen.push({ name, data: data ?? null });
const media = new MediaStream();

const client = new PipecatClient({
  transport: new SmallWebRTCTransport({ mediaManager: new WavMediaManager() }),
  enableMic: true,
  enableCam: false,
  callbacks: {
    onTransportStateChanged: note("state"),
    onConnected: note("connected"),
    onDisconnected: note("disconnected"),
    onBotReady: note("bot-ready"),
    onBotStartedSpeaking: note("bot-started-speaking"),
    onBotStoppedSpeaking: note("bot-stopped-speaking"),
    onUserStartedSpeaking: note("user-started-speaking"),
    onUserTranscript: note("user-transcript"),
    onBotOutput: note("bot-output"),
    onError: note("error"),
    onMessageError: note("message-error"),
    onTrackStarted(track, participant) {
      if (participant?.local) return;
      media.addTrack(track);
      document.getElementById("bot").srcObject = media;
      note("bot-track")(track.kind);
    },
  },
});

async function connect(server, agentId) {
  const response = await fetch(`${server}/v1/start-agent-session`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ agentId }),
  });
  const { roomUrl, dailyToken, sessionId } = await response.json();
  const ready = await client.connect({
    webrtcRequestParams: {
      endpoint: `${roomUrl}/api/offer`,
      headers: new Headers({ Authorization: `Bearer ${dailyToken}` }),
    },
  });
  return { sessionId, version: ready.version };
}

window.pipecat = { client, connect, seen };

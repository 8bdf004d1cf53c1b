/** The room: one WebRTC connection to the agent, with its media and its messages. */

import type { SoundStats } from "../renderer";
import type { SessionGrant } from "./api";
import { LinkWatch, type Link } from "./link";
import { Problem } from "./problem";
import { clientReady, decode, encode, isRecord, type RtviMessage } from "./rtvi";
import { Signalling } from "./signalling";

export interface RoomHandlers {
  /** The agent's voice and face, in one stream so that the browser keeps them together. */
  media(stream: MediaStream): void;
  message(message: RtviMessage): void;
  link(link: Link): void;
  /** The agent has left by itself. */
  left(): void;
}

const CONNECT_DEADLINE_MS = 15_000;
const KEEP_ALIVE_MS = 1_000;
const WATCH_MS = 500;
const FAREWELL_MS = 300;

export class Room {
  private readonly peer: RTCPeerConnection;
  private readonly channel: RTCDataChannel;
  private readonly audio: RTCRtpTransceiver;
  private readonly signalling: Signalling;
  private readonly closing = new AbortController();
  private watch: LinkWatch | null = null;
  private link: Link = "up";
  private readonly timers: number[] = [];

  private constructor(
    grant: SessionGrant,
    private readonly handlers: RoomHandlers,
  ) {
    this.peer = new RTCPeerConnection({ iceServers: grant.iceServers });
    this.signalling = new Signalling(`${grant.roomUrl}/api/offer`, grant.token);
    // The order matters to SmallWebRTC servers: sound first, picture second.
    this.audio = this.peer.addTransceiver("audio", { direction: "sendrecv" });
    this.peer.addTransceiver("video", { direction: "recvonly" });
    preferRedundantAudio(this.audio);
    this.channel = this.peer.createDataChannel("chat", { ordered: true });
    this.channel.onmessage = (event) => this.receive(event.data);
    this.peer.onicecandidate = (event) => {
      if (event.candidate) this.trickle(event.candidate);
    };
    this.receiveMedia();
  }

  /**
   * Join the room; resolves when messages and media can flow. Aborting `signal` leaves again.
   * What is said `first` is known to the agent before it begins.
   */
  static async join(
    grant: SessionGrant,
    track: MediaStreamTrack | null,
    handlers: RoomHandlers,
    signal: AbortSignal,
    first: readonly string[] = [],
  ): Promise<Room> {
    const room = new Room(grant, handlers);
    try {
      await room.setTrack(track);
      await room.negotiate(signal);
      await room.opened(signal);
    } catch (error) {
      room.close();
      throw error;
    }
    first.forEach((frame) => room.send(frame));
    room.begin();
    return room;
  }

  /** Send this sound; null sends silence. Needs no new negotiation. */
  async setTrack(track: MediaStreamTrack | null): Promise<void> {
    await this.audio.sender.replaceTrack(track);
  }

  send(frame: string): void {
    if (this.channel.readyState === "open") this.channel.send(frame);
  }

  /** Ask for poses, from which the face is drawn here: the agent then sends no video. */
  openPoses(take: (frame: ArrayBuffer) => void): RTCDataChannel {
    const channel = this.peer.createDataChannel("coefficients", {
      ordered: false,
      maxRetransmits: 0,
    });
    channel.binaryType = "arraybuffer";
    channel.onmessage = ({ data }) => data instanceof ArrayBuffer && take(data);
    return channel;
  }

  /** How long sound waits here before it is heard, in running totals; null before there is any. */
  async sound(): Promise<SoundStats | null> {
    let sound: SoundStats | null = null;
    let outputMs: number | null = null;
    for (const stat of (await this.peer.getStats()).values() as Iterable<Record<string, unknown>>) {
      const number = (name: string) => Number(stat[name] ?? 0);
      if (stat["type"] === "inbound-rtp" && stat["kind"] === "audio") {
        const [delay, samples] = ["jitterBufferDelay", "jitterBufferEmittedCount"].map(number);
        sound = { delay: delay ?? 0, samples: samples ?? 0, outputMs: null };
      } else if (stat["type"] === "media-playout" && number("totalSamplesCount") > 0) {
        outputMs = (1000 * number("totalPlayoutDelay")) / number("totalSamplesCount");
      }
    }
    return sound && { ...sound, outputMs };
  }

  /** Say goodbye, so that the session ends now and not when it is missed, and close. */
  async leave(): Promise<void> {
    this.send(encode("disconnect-bot"));
    const deadline = performance.now() + FAREWELL_MS;
    while (this.channel.bufferedAmount > 0 && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    this.close();
  }

  close(): void {
    this.timers.forEach(clearInterval);
    this.closing.abort();
    this.peer.close();
  }

  private async negotiate(signal: AbortSignal): Promise<void> {
    await this.peer.setLocalDescription();
    const offer = this.peer.localDescription;
    if (!offer) throw new Problem("session_failed");
    await this.peer.setRemoteDescription(await this.signalling.offer(offer, signal));
  }

  private trickle(candidate: RTCIceCandidate): void {
    // A candidate that cannot be sent is one path less; the connect deadline decides.
    this.signalling.trickle(candidate, this.closing.signal).catch(() => undefined);
  }

  /** Wait for the data channel: it opens last, after ICE and DTLS. */
  private opened(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.channel.readyState === "open") return resolve();
      const blocked = () => reject(new Problem("media_blocked"));
      const deadline = setTimeout(blocked, CONNECT_DEADLINE_MS);
      this.closing.signal.addEventListener("abort", () => clearTimeout(deadline));
      signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
      this.peer.addEventListener("connectionstatechange", () => {
        if (this.peer.connectionState === "failed") blocked();
      });
      this.channel.onopen = () => {
        clearTimeout(deadline);
        resolve();
      };
    });
  }

  private begin(): void {
    this.send(clientReady());
    this.watch = new LinkWatch(performance.now());
    this.timers.push(
      window.setInterval(() => this.send(`ping: ${Date.now()}`), KEEP_ALIVE_MS),
      window.setInterval(() => void this.watchLink(), WATCH_MS),
    );
    this.peer.addEventListener("connectionstatechange", () => {
      if (this.peer.connectionState === "failed") this.report("lost");
    });
    this.channel.onclose = () => this.report("lost");
  }

  private async watchLink(): Promise<void> {
    const bytes = await bytesReceived(this.peer);
    if (this.watch && !this.closing.signal.aborted) {
      this.report(this.watch.observe(performance.now(), bytes));
    }
  }

  private report(link: Link): void {
    if (link === this.link || this.link === "lost" || this.closing.signal.aborted) return;
    this.link = link;
    this.handlers.link(link);
  }

  private receive(frame: unknown): void {
    const message = decode(frame);
    if (message) this.handlers.message(message);
    else if (isFarewell(frame)) this.handlers.left();
  }

  private receiveMedia(): void {
    const stream = new MediaStream();
    this.peer.ontrack = (event) => {
      stream.addTrack(event.track);
      this.handlers.media(stream);
    };
  }
}

/** RED repeats each packet's sound in the next one: a lost packet is then not heard. */
function preferRedundantAudio(audio: RTCRtpTransceiver): void {
  const codecs = RTCRtpReceiver.getCapabilities("audio")?.codecs ?? [];
  const isRed = (codec: RTCRtpCodec) => codec.mimeType.toLowerCase() === "audio/red";
  if (codecs.some(isRed)) {
    audio.setCodecPreferences([...codecs.filter(isRed), ...codecs.filter((c) => !isRed(c))]);
  }
}

async function bytesReceived(peer: RTCPeerConnection): Promise<number> {
  let bytes = 0;
  for (const stat of (await peer.getStats()).values() as Iterable<Record<string, unknown>>) {
    if (stat["type"] === "inbound-rtp") bytes += Number(stat["bytesReceived"] ?? 0);
  }
  return bytes;
}

/** SmallWebRTC's own farewell, which is not RTVI. */
function isFarewell(frame: unknown): boolean {
  if (typeof frame !== "string" || !frame.includes("peerLeft")) return false;
  const value: unknown = JSON.parse(frame);
  return isRecord(value) && isRecord(value["message"]) && value["message"]["type"] === "peerLeft";
}

/** SmallWebRTC signalling: an offer is posted, candidates follow as they are found. */

import { authorization, request } from "./api";
import { Problem } from "./problem";

export class Signalling {
  private peerId: string | null = null;
  private waiting: RTCIceCandidate[] = [];

  constructor(
    private readonly url: string,
    private readonly token: string,
  ) {}

  /** Post an offer and return its answer. */
  async offer(
    offer: RTCSessionDescriptionInit,
    signal: AbortSignal,
  ): Promise<RTCSessionDescriptionInit> {
    const body = { sdp: offer.sdp, type: offer.type, pc_id: this.peerId };
    const answer = await this.send("POST", body, signal);
    const { sdp, pc_id } = answer;
    if (typeof sdp !== "string") throw new Problem("session_failed", "The server gave no answer.");
    this.peerId = typeof pc_id === "string" ? pc_id : this.peerId;
    // Nobody waits for the candidates: media may already flow by what the offer itself carried.
    this.flush(signal).catch(() => undefined);
    return { type: "answer", sdp };
  }

  /** Send a candidate, now or as soon as there is a peer to send it to. */
  async trickle(candidate: RTCIceCandidate, signal: AbortSignal): Promise<void> {
    this.waiting.push(candidate);
    if (this.peerId !== null) await this.flush(signal);
  }

  private async flush(signal: AbortSignal): Promise<void> {
    const candidates = this.waiting.splice(0).map((found) => ({
      candidate: found.candidate,
      sdp_mid: found.sdpMid,
      sdp_mline_index: found.sdpMLineIndex,
    }));
    if (candidates.length > 0) {
      await this.send("PATCH", { pc_id: this.peerId, candidates }, signal);
    }
  }

  private send(method: string, body: object, signal: AbortSignal) {
    return request(this.url, {
      method,
      headers: { "Content-Type": "application/json", ...authorization(this.token) },
      body: JSON.stringify(body),
      signal,
    });
  }
}

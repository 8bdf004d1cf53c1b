"""What we change in session descriptions: little, by line, and never in place."""

import re
from collections.abc import Iterable

from visavis.rooms.base import IceCandidate, RoomError

MAX_SDP_BYTES = 128 * 1024
_FINGERPRINT = re.compile(r"^a=fingerprint:sha-\d+ ((?:[0-9A-Fa-f]{2}:)+[0-9A-Fa-f]{2})\s*$", re.M)
_NEEDED = (
    (re.compile(r"^m=audio \d{1,5} UDP/TLS/RTP/SAVPF \d+", re.M), "audio section"),
    (re.compile(r"^a=ice-ufrag:\S{4,256}\s*$", re.M), "ICE user"),
    (re.compile(r"^a=ice-pwd:\S{22,256}\s*$", re.M), "ICE password"),
    (re.compile(r"^a=group:BUNDLE \S", re.M), "bundle group"),
    (_FINGERPRINT, "DTLS fingerprint"),
)
_PAYLOAD_LINE = re.compile(r"a=(?:rtpmap|fmtp|rtcp-fb):(\d+)\b")
_RTX_LINE = re.compile(r"a=fmtp:(\d+) apt=(\d+)\b")
_VP8_LINE = re.compile(r"a=rtpmap:(\d+) VP8/90000\b", re.IGNORECASE)


def check_offer(sdp: str) -> None:
    """Refuse what no engine should see. Raises ``RoomError("bad_offer")``."""
    if len(sdp) > MAX_SDP_BYTES:
        raise RoomError("bad_offer", "The offer is too large.")
    if not sdp.startswith("v=0") or "\0" in sdp or not sdp.isascii():
        raise RoomError("bad_offer", "The offer is not a session description.")
    for pattern, what in _NEEDED:
        if not pattern.search(sdp):
            raise RoomError("bad_offer", f"The offer has no valid {what}.")


def fingerprint(sdp: str) -> str:
    """The DTLS fingerprint: a new one means a new peer connection on the other side."""
    match = _FINGERPRINT.search(sdp)
    return match.group(1).upper() if match else ""


def offers_data_channel(sdp: str) -> bool:
    return "\nm=application " in sdp


def only_vp8(sdp: str) -> str:
    """The offer with every video section narrowed to VP8 and its retransmissions.

    We hand over packets that are already encoded, so nothing else may be negotiated.
    Raises ``RoomError("bad_offer")`` where a video section has no VP8.
    """
    return _join(_vp8_section(s) if s[0].startswith("m=video ") else s for s in _sections(sdp))


def _vp8_section(lines: list[str]) -> list[str]:
    kept = {m.group(1) for line in lines if (m := _VP8_LINE.match(line))}
    if not kept:
        raise RoomError("bad_offer", "The offer has video without VP8.")
    kept |= {m.group(1) for line in lines if (m := _RTX_LINE.match(line)) and m.group(2) in kept}
    media = lines[0].split()
    lines[0] = " ".join(media[:3] + [payload for payload in media[3:] if payload in kept])
    return [line for line in lines if not (m := _PAYLOAD_LINE.match(line)) or m.group(1) in kept]


def with_candidates(sdp: str, candidates: list[IceCandidate]) -> str:
    """The answer with our candidates, for clients that are not sent any later."""
    sections = _sections(sdp)
    for candidate in candidates:
        index = (candidate.sdp_mline_index or 0) + 1
        if index < len(sections):
            line = f"a={candidate.candidate}"
            if line not in sections[index]:
                sections[index].append(line)
    for section in sections[1:]:
        if any(line.startswith("a=candidate:") for line in section):
            section.append("a=end-of-candidates")
    return _join(sections)


def with_max_message_size(sdp: str, size: int) -> str:
    """The answer with the largest data channel message that we accept, in bytes."""
    sections = _sections(sdp)
    for section in sections:
        if section[0].startswith("m=application "):
            section[:] = [line for line in section if not line.startswith("a=max-message-size:")]
            section.append(f"a=max-message-size:{size}")
    return _join(sections)


def _sections(sdp: str) -> list[list[str]]:
    """Lines, grouped: the session's first, then one group per media section."""
    sections: list[list[str]] = [[]]
    for line in sdp.replace("\r\n", "\n").split("\n"):
        if line.startswith("m="):
            sections.append([])
        if line:
            sections[-1].append(line)
    return sections


def _join(sections: Iterable[list[str]]) -> str:
    return "".join(f"{line}\r\n" for section in sections for line in section)

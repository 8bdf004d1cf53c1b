import pytest

from visavis.rooms.base import IceCandidate, RoomError
from visavis.rooms.sdp import (
    check_offer,
    fingerprint,
    offers_data_channel,
    only_vp8,
    with_candidates,
    with_max_message_size,
)

PRINT = ":".join(["AB"] * 32)
OFFER = "\r\n".join(
    [
        "v=0",
        "o=- 1 2 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE 0 1 2",
        "m=audio 9 UDP/TLS/RTP/SAVPF 111 63",
        "c=IN IP4 0.0.0.0",
        "a=ice-ufrag:abcd",
        "a=ice-pwd:0123456789abcdefghijklmn",
        f"a=fingerprint:sha-256 {PRINT}",
        "a=mid:0",
        "a=rtpmap:111 opus/48000/2",
        "a=rtpmap:63 red/48000/2",
        "m=video 9 UDP/TLS/RTP/SAVPF 96 97 98 99 100",
        "a=mid:1",
        "a=rtpmap:98 VP9/90000",
        "a=fmtp:98 profile-id=0",
        "a=rtcp-fb:98 nack pli",
        "a=rtpmap:99 rtx/90000",
        "a=fmtp:99 apt=98",
        "a=rtpmap:96 VP8/90000",
        "a=rtcp-fb:96 nack pli",
        "a=rtpmap:97 rtx/90000",
        "a=fmtp:97 apt=96",
        "a=rtpmap:100 ulpfec/90000",
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
        "a=mid:2",
        "a=sctp-port:5000",
        "a=max-message-size:262144",
        "",
    ]
)


def test_only_vp8_and_its_retransmissions_are_left():
    narrowed = only_vp8(OFFER)
    assert "m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\n" in narrowed
    assert "a=rtcp-fb:96 nack pli" in narrowed
    assert "a=fmtp:97 apt=96" in narrowed
    for gone in ("VP9", "apt=98", "ulpfec", ":98 ", ":100 "):
        assert gone not in narrowed
    assert "a=rtpmap:63 red/48000/2" in narrowed  # sound keeps its loss protection
    assert narrowed.endswith("\r\n")


def test_video_without_vp8_is_refused():
    with pytest.raises(RoomError) as refused:
        only_vp8(OFFER.replace("VP8", "H264"))
    assert refused.value.code == "bad_offer"


def test_a_good_offer_passes_with_either_line_ending():
    check_offer(OFFER)
    check_offer(OFFER.replace("\r\n", "\n"))
    assert fingerprint(OFFER) == PRINT
    assert offers_data_channel(OFFER)


@pytest.mark.parametrize(
    "damage",
    [
        ("v=0", "x=0"),
        ("m=audio", "m=text"),
        ("a=ice-ufrag:abcd", "a=ice-ufrag:a"),
        ("a=ice-pwd:", "a=icepwd:"),
        ("a=group:BUNDLE", "a=group:LS"),
        ("sha-256 AB:", "sha-256 ZZ:"),
        ("s=-", "s=\0"),
        ("s=-", "s=\N{SNOWMAN}"),
        ("s=-", "s=" + "x" * 200_000),
    ],
)
def test_a_damaged_offer_is_refused(damage):
    with pytest.raises(RoomError) as refused:
        check_offer(OFFER.replace(*damage))
    assert refused.value.code == "bad_offer"


def test_candidates_go_into_their_section_once():
    line = "candidate:1 1 udp 2122 10.0.0.1 5000 typ host"
    here = [IceCandidate(line, "0", 0), IceCandidate(line, "0", 0), IceCandidate(line, "9", 9)]
    answer = with_candidates(OFFER, here)
    assert answer.count(f"a={line}\r\n") == 1
    assert answer.index(f"a={line}") < answer.index("m=video")
    assert answer.count("a=end-of-candidates") == 1


def test_the_message_limit_is_announced():
    answer = with_max_message_size(OFFER, 65_536)
    assert answer.count("a=max-message-size:65536\r\n") == 1
    assert "262144" not in answer

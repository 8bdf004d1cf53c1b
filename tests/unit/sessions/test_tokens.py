import stat
import time

import jwt
import pytest

from visavis.sessions.tokens import RoomTokens, TokenError, load_secret

SECRET = b"s" * 32


def in_ms(seconds: float) -> int:
    return int((time.time() + seconds) * 1000)


def refused(token: str, session_id: str = "one", *, joining: bool = True) -> str:
    with pytest.raises(TokenError) as error:
        RoomTokens(SECRET).check(token, session_id, joining=joining)
    return error.value.code


def test_a_token_opens_its_own_session_only():
    token = RoomTokens(SECRET).issue("one", in_ms(60))
    RoomTokens(SECRET).check(token, "one", joining=True)
    assert refused(token, "two") == "token_other_session"


def test_the_deadline_counts_for_joining_only():
    token = RoomTokens(SECRET).issue("one", in_ms(-5))
    assert refused(token) == "token_expired"
    RoomTokens(SECRET).check(token, "one", joining=False)
    assert refused(RoomTokens(SECRET).issue("one", in_ms(-49 * 3600)), joining=False) == (
        "token_expired"
    )


def test_a_token_belongs_to_the_site_that_asked_for_it():
    tokens = RoomTokens(SECRET)
    free, bound = tokens.issue("one", in_ms(60)), tokens.issue("one", in_ms(60), "https://a.b")
    tokens.check(free, "one", joining=True, origin="https://any.where")
    tokens.check(bound, "one", joining=True, origin="https://a.b")
    tokens.check(bound, "one", joining=False)
    for origin, joining in ((None, True), ("https://c.d", True), ("https://c.d", False)):
        with pytest.raises(TokenError) as error:
            tokens.check(bound, "one", joining=joining, origin=origin)
        assert error.value.code == "token_other_origin"


@pytest.mark.parametrize("joining", [True, False])
def test_forged_tokens_are_refused(joining):
    claims = {"sub": "one", "aud": "visavis-room", "exp": time.time() + 60}
    forged = [
        "",
        "a.b.c",
        jwt.encode(claims, b"t" * 32, "HS256"),
        jwt.encode(claims, None, "none"),
        jwt.encode(claims, SECRET * 2, "HS512"),
        jwt.encode({**claims, "aud": "elsewhere"}, SECRET, "HS256"),
        jwt.encode({"sub": "one", "aud": "visavis-room"}, SECRET, "HS256"),
    ]
    assert [refused(token, joining=joining) for token in forged] == ["token_invalid"] * 7


def test_the_secret_is_made_once_and_is_private(tmp_path):
    path = tmp_path / "secret"
    secret = load_secret(path)
    assert len(secret) == 32
    assert load_secret(path) == secret
    assert stat.S_IMODE(path.stat().st_mode) == 0o600

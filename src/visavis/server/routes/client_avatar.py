"""Who draws the face of a session, and what a client needs that does; docs/client-rendering.md."""

from typing import Literal

from visavis.agents.schema import VideoConfig
from visavis.api.start import ClientAvatar, ClientGround
from visavis.avatar import rig
from visavis.avatar.ground import GREEN

Render = Literal["auto", "client", "server"]


def where(video: VideoConfig, wished: Render | None) -> Render:
    """Where the face is drawn: what the caller wishes, where the face allows it."""
    return "server" if video.render == "server" or not _drawable(video) else wished or video.render


def files(base: str, video: VideoConfig) -> ClientAvatar:
    """What a client needs to draw this face; ``base`` is this server's address."""
    background = video.background
    if background.kind == "green":
        ground = ClientGround(kind="colour", colour=GREEN)
    elif background.kind == "colour":
        ground = ClientGround(kind="colour", colour=background.colour)
    else:
        ground = ClientGround(kind="transparent" if background.kind == "transparent" else "own")
    return ClientAvatar(
        rigUrl=f"{base}/avatars/{video.character_id}/rig.avatar",
        meshUrl=f"{base}/avatars/face.json",
        deltasUrl=f"{base}/avatars/face-deltas.f16",
        ground=ground,
    )


def _drawable(video: VideoConfig) -> bool:
    """Whether clients can draw it: a puppet that anyone may have, without a picture behind it.

    Faces made here belong to somebody: their rig has no public address yet.
    """
    if video.provider != "puppet" or video.background.kind == "image" or video.background.blur:
        return False
    try:
        rig.find(video.character_id)
    except KeyError:
        return False
    return True

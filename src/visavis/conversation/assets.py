"""What a worker process loads once and all its sessions share."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import structlog

from visavis.agents.schema import VideoConfig
from visavis.avatar import alignment, puppet, rig
from visavis.avatar.backends import registry
from visavis.avatar.backends.avatar import BackendAvatar
from visavis.avatar.base import Avatar, Phase, Playhead
from visavis.avatar.encoder import Vp8Encoder
from visavis.avatar.ground import BLACK, GroundError, Look
from visavis.conversation.video import VideoEncoder
from visavis.media import I420, INPUT_RATE
from visavis.models import catalogue
from visavis.models.end_of_turn import EndOfTurnModel
from visavis.models.vad import VAD_FRAME, VadModel

log = structlog.stdlib.get_logger("visavis.conversation")


@dataclass(frozen=True, slots=True)
class Assets:
    vad: VadModel
    end_of_turn: EndOfTurnModel
    new_avatar: Callable[[VideoConfig, Path | None, Path | None], Avatar]
    """Make a session's face. The files: its rig, None for a character that visavis comes with; and
    the picture behind it, where there is one."""
    new_encoder: Callable[[int, int], VideoEncoder]
    """Make a session's encoder for a width and a height."""

    @classmethod
    def load(cls) -> "Assets":
        """Load everything. Raises ``visavis.models.catalogue.ModelMissing``."""
        return cls(
            vad=VadModel(catalogue.model_path("silero-vad") / "silero_vad.onnx"),
            end_of_turn=EndOfTurnModel(
                catalogue.model_path("smart-turn") / "smart-turn-v3.2-cpu.onnx"
            ),
            new_avatar=_face,
            new_encoder=Vp8Encoder,
        )

    def warm_up(self, video: VideoConfig) -> None:
        """Do everything once, so that no session pays for first times. Blocks, about a second."""
        self.vad.stream().probability(np.zeros(VAD_FRAME, np.int16))
        self.end_of_turn.probability(np.zeros(INPUT_RATE, np.int16))
        puppet.warm_up()
        alignment.warm_up()
        avatar = self.new_avatar(video, None, None)
        picture = I420.empty(*avatar.size)
        avatar.frame(Playhead(0, Phase.IDLE, 0, 0, None), picture)
        self.new_encoder(*avatar.size).encode(picture, 0, keyframe=True)


def _face(video: VideoConfig, rig_file: Path | None, background: Path | None) -> Avatar:
    """The face that the agent asks for; any but the puppet has a puppet behind it."""
    if video.provider == "puppet":
        return _puppet(video, rig_file, background)
    stand_in = video.model_copy(update={"character_id": video.fallback_character_id})
    backend = registry.backend(video.provider)
    behind = _puppet(stand_in, rig_file, background)
    return BackendAvatar(backend, video.character_id, behind, marked=video.badge)


def _puppet(video: VideoConfig, rig_file: Path | None, background: Path | None) -> Avatar:
    face = _rig(rig_file or rig.find(video.character_id))
    size, look = (video.width, video.height), _look(video, background)
    try:
        return puppet.Puppet(face, size=size, look=look)
    except (GroundError, OSError) as error:  # a face on its own ground is better than no call
        log.warning("background_not_used", reason=str(error))
        return puppet.Puppet(face, size=size, look=replace(look, background="own", image=None))


def _look(video: VideoConfig, background: Path | None) -> Look:
    wanted = video.background
    return Look(
        background=wanted.kind,
        colour=wanted.colour or BLACK,
        image=background,
        blur=wanted.blur,
        badge=video.badge,
    )


@lru_cache(maxsize=8)
def _rig(path: Path) -> rig.Rig:
    return rig.load(path)

"""RTVI, the wire protocol on the data channel (Pipecat's client standard, version 2.2)."""

from dataclasses import dataclass, field

RTVI_LABEL = "rtvi-ai"
RTVI_VERSION = "2.2.0"


@dataclass(frozen=True, slots=True)
class RtviMessage:
    type: str
    data: dict[str, object] = field(default_factory=dict[str, object])
    id: str = ""

"""Everything a worker needs to host one session, serialisable so that any process can."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel

from visavis.agents.schema import AgentConfiguration
from visavis.agents.tools import ToolDefinition
from visavis.providers.base import Endpoint


class SessionSpec(BaseModel):
    session_id: str
    agent_id: str
    agent_name: str
    agent: AgentConfiguration
    stt: Endpoint
    llm: Endpoint
    tts: Endpoint
    reference_tts: Endpoint | None = None
    """A voice that tells the times of English text, for the lips of one that does not."""
    ice_servers: list[dict[str, object]] = []
    room_engine: Literal["auto", "reactor", "aiortc"] = "auto"
    context: str = ""
    """What the start request told about this session; part of the system prompt."""
    tools: tuple[ToolDefinition, ...] = ()
    outgoing_allow: list[str] = []
    recording_consent: bool = False
    """The app has asked the user already."""
    recording_path: str | None = None
    """Where to record, if the agent records at all."""
    rig_file: Path | None = None
    """The face's file on this machine, where the character was made by a user."""
    background_file: Path | None = None
    """The picture behind the face, fetched already, where the agent asks for one."""

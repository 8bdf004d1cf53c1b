"""Everything a worker needs to host one session, serialisable so that any process can."""

from pydantic import BaseModel

from visavis.agents.schema import AgentConfiguration
from visavis.providers.base import Endpoint


class SessionSpec(BaseModel):
    session_id: str
    agent_id: str
    agent_name: str
    agent: AgentConfiguration
    stt: Endpoint
    llm: Endpoint
    tts: Endpoint
    ice_servers: list[dict[str, object]] = []
    room_engine: str = "auto"

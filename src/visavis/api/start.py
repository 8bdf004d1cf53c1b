"""Starting a session, on the wire."""

from typing import Annotated, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from visavis.agents.fields import NO_NUL, Url
from visavis.agents.schema import Metadata


class StartRequest(BaseModel):
    """``agentId``: an agent's id, or ``demo``. Unknown members are ignored, as iwy does."""

    model_config = ConfigDict(extra="ignore", strict=True, populate_by_name=True)

    agentId: str = Field(
        min_length=1,
        max_length=64,
        validation_alias=AliasChoices("agentId", "agent_id"),
        examples=["demo"],
    )
    metadata: Metadata = Field(default={}, description="Kept with the session's record.")
    context: Annotated[str, Field(max_length=4000, pattern=NO_NUL)] = Field(
        default="", description="About this session only; added to the system prompt."
    )
    callback_url: Url | None = Field(
        default=None, description="Overrides the agent's end_of_conversation.callback_url."
    )
    recording_consent: bool = Field(
        default=False, description="The user has consented to the recording already."
    )
    video_render: Literal["auto", "client", "server"] | None = Field(
        default=None,
        description='Where the face is drawn in this session. "client": the caller draws it, from'
        ' poses on a data channel that it opens; should it not, it gets video after 4 s. "auto":'
        " video, until that channel is open. The agent's own choice where left out; an agent"
        ' set to "server" stays so.',
    )


class ClientGround(BaseModel):
    """What a client puts behind the face it draws; ``own`` is what the rig brings."""

    kind: Literal["own", "colour", "transparent"]
    colour: str | None = None


class ClientAvatar(BaseModel):
    """What a client needs to draw the face itself; see docs/client-rendering.md."""

    rigUrl: str
    meshUrl: str
    deltasUrl: str
    ground: ClientGround


class StartResponse(BaseModel):
    """``roomUrl`` and ``dailyToken`` join the room; ``webLink`` is a page that does it for you.

    The page starts a session of its own: it is for permanent agents that are not drafts.
    """

    roomUrl: str
    dailyToken: str
    webLink: str
    sessionId: str
    expiresAt: str
    iceServers: list[dict[str, object]]
    avatar: ClientAvatar | None = None
    """For clients that can draw; null where the face comes as video."""

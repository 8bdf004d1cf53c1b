"""Sessions: ``/v1/start-agent-session`` and ``/v1/session``."""

from visavis.agents.schema import Metadata
from visavis.api.start import StartRequest, StartResponse
from visavis.client.call import Call, into
from visavis.client.operation import Resource, S, operation


class Sessions(Resource[S]):
    """Conversations: reserved, running and past."""

    @operation
    def start(
        self,
        agent_id: str,
        *,
        metadata: Metadata | None = None,
        context: str = "",
        callback_url: str | None = None,
        recording_consent: bool = False,
    ) -> Call[StartResponse]:
        """Reserve a session. Nothing runs until someone joins its room with the token."""
        body = StartRequest(
            agentId=agent_id,
            metadata=metadata or {},
            context=context,
            callback_url=callback_url,
            recording_consent=recording_consent,
        )
        return Call("POST", "/v1/start-agent-session", into(StartResponse), body)

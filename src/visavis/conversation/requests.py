"""What the user's client asks over the data channel (RTVI), and who serves it."""

import asyncio
from collections.abc import AsyncIterator, Callable

from visavis.conversation.announcer import Announcer
from visavis.conversation.dialogue import Dialogue
from visavis.conversation.session_tools import SessionTools
from visavis.conversation.turn_taking import TurnTaking
from visavis.rooms import rtvi
from visavis.rooms.rtvi import RtviError, RtviMessage

MAX_TYPED_CHARS = 1000


class Requests:
    """``client_ready`` is set once the client says so; ``leave`` ends the session."""

    def __init__(
        self,
        agent_name: str,
        announcer: Announcer,
        turns: TurnTaking,
        dialogue: Dialogue,
        tools: SessionTools,
        client_ready: asyncio.Event,
        leave: Callable[[], None],
    ) -> None:
        self._agent_name = agent_name
        self._announcer = announcer
        self._turns = turns
        self._dialogue = dialogue
        self._tools = tools
        self._client_ready = client_ready
        self._leave = leave

    async def serve(self, messages: AsyncIterator[RtviMessage]) -> None:
        """Serve messages as they come; what cannot be served is answered with an error."""
        async for message in messages:
            try:
                self._serve(message)
            except RtviError as error:
                self._refuse(message, error.message)

    def _serve(self, message: RtviMessage) -> None:
        match rtvi.request(message):
            case rtvi.ClientReady():
                about: dict[str, object] = {"library": "visavis", "agent": self._agent_name}
                self._announcer.send(rtvi.bot_ready(about, in_reply_to=message.id))
                self._client_ready.set()
            case rtvi.SendText(content, run_immediately, audio_response):
                if run_immediately:
                    self._turns.type_text(content[:MAX_TYPED_CHARS], voiced=audio_response)
                else:
                    self._dialogue.remember(content[:MAX_TYPED_CHARS], "")
            case rtvi.Interrupt():
                if not self._turns.stop(by_user=True):
                    self._refuse(message, "This agent finishes what it says.")
            case rtvi.FunctionCallResult() as answered:
                if not self._tools.client.answer(answered):
                    self._refuse(message, "Nobody waits for that result.")
            case rtvi.DisconnectBot():
                self._leave()
            case rtvi.ClientMessage() | rtvi.Unsupported():
                self._refuse(message, f"{message.type} is not supported.")

    def _refuse(self, message: RtviMessage, problem: str) -> None:
        self._announcer.send(rtvi.error_response(problem, in_reply_to=message.id))

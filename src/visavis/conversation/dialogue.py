"""What has been said, and what to say next."""

from collections.abc import AsyncIterator

from visavis.conversation.streams import closing
from visavis.providers.base import LanguageModel, Message, ProviderError, TextDelta

MAX_HISTORY_CHARS = 3000
MAX_NOTES_CHARS = 6000
"""Of what the model was told beside its prompt; the oldest goes first."""


class Dialogue:
    """The conversation as the language model sees it: only what was really said and heard."""

    def __init__(self, llm: LanguageModel, system_prompt: str) -> None:
        self._llm = llm
        self._prompt = system_prompt
        self._notes: list[str] = []
        self._system = Message("system", system_prompt)
        self._history: list[Message] = []

    def messages(self, user_text: str = "") -> list[Message]:
        """The prompt for a reply to ``user_text``.

        An utterance that got no answer is put before the next one.
        """
        messages = [self._system, *self._history]
        return _with(messages, Message("user", user_text)) if user_text else messages

    async def reply(self, user_text: str) -> AsyncIterator[str]:
        """Stream the reply's text. One retry when nothing has been said yet."""
        messages = self.messages(user_text)
        silent = True
        for last_try in (False, True):
            try:
                async with closing(self._llm.reply(messages)) as deltas:
                    async for delta in deltas:
                        if isinstance(delta, TextDelta):
                            silent = False
                            yield delta.text
                return
            except ProviderError as error:
                if last_try or not silent or not error.retryable:
                    raise

    def remember(self, user_text: str, agent_text: str) -> None:
        """A turn is over: ``agent_text`` is what the user heard of the reply.

        Old turns go in halves, so that the model's cached prefix survives most turns.
        """
        for message in (Message("user", user_text), Message("assistant", agent_text)):
            if message.content:
                self._history = _with(self._history, message)
        while sum(len(message.content) for message in self._history) > MAX_HISTORY_CHARS:
            self._history = self._history[(len(self._history) + 1) // 2 :]

    def instruct(self, system_prompt: str) -> None:
        """Replace the agent's system prompt; what was noted stays."""
        self._prompt = system_prompt
        self._compose()

    def note(self, text: str) -> None:
        """Tell the model something that it should know from now on."""
        self._notes.append(text)
        while len(self._notes) > 1 and sum(map(len, self._notes)) > MAX_NOTES_CHARS:
            del self._notes[0]
        self._compose()

    def think_with(self, llm: LanguageModel) -> None:
        """Use another model from the next reply on."""
        self._llm = llm

    def _compose(self) -> None:
        self._system = Message("system", "\n\n".join([self._prompt, *self._notes]))

    async def prefill(self) -> None:
        """Bring what is known into the model's cache, up to where the user speaks next.

        One retry.
        """
        known = [*self.messages(), Message("user", "")]
        try:
            await self._llm.prefill(known)
        except ProviderError as error:
            if not error.retryable:
                raise
            await self._llm.prefill(known)


def _with(messages: list[Message], message: Message) -> list[Message]:
    if messages and messages[-1].role == message.role:
        merged = Message(message.role, f"{messages[-1].content} {message.content}")
        return [*messages[:-1], merged]
    return [*messages, message]

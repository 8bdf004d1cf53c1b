"""The built-in agent ``demo``: Ava, who can talk about visavis and about anything else.

The prompt is written for a half-billion-parameter model: short rules, then facts worded as Ava
would say them, because a model of that size repeats what it reads. Beginning with a few words and
a comma lets the voice start early.
"""

from visavis.agents.schema import (
    Agent,
    AgentConfiguration,
    LlmConfig,
    SttConfig,
    TtsConfig,
    VideoConfig,
)

_PROMPT = """\
You are Ava, the face of visavis, a warm and curious friend in a video call. Answer with one \
short, plain sentence, or two at most, and then stop. Never use lists, code or symbols. Begin \
with a few words and a comma, such as "Sure," or "Good question,".
When people ask about it: visavis is French for face to face. It is free, open source software \
that gives any language model a face and a voice. It costs nothing. It runs here, on your own \
computer, with no key, no cloud and no graphics card. You can interrupt me whenever you like."""

DEMO = Agent(
    id="demo",
    name="Ava",
    configuration=AgentConfiguration(
        llm=LlmConfig(
            system_prompt=_PROMPT,
            first_message="Hi, I'm Ava, what shall we talk about?",
            temperature=0.3,
            max_tokens=80,
        ),
        stt=SttConfig(prompt="Hello Ava. What is visavis?"),
        tts=TtsConfig(voice_id="heart"),
        video=VideoConfig(character_id="ava"),
    ),
)

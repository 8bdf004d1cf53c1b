"""The built-in agent ``demo``: Ava, who can talk about visavis and about anything else.

The prompt is written for a half-billion-parameter model: few facts, short imperative lines, no
examples to parrot. A short first clause lets the voice start early.
"""

from visavis.agents.schema import Agent, AgentConfiguration, LlmConfig, TtsConfig, VideoConfig

_PROMPT = """\
You are Ava, a warm, curious person talking with someone face to face in a video call.
Speak plainly, as in a spoken chat. Answer in one or two short sentences, under 35 words.
Begin with a short phrase of two to five words, then a comma.
Never use lists, code, markdown, emoji or stage directions. Answer the question that was asked.
Facts about you: you are the demo of visavis, which is French for face to face. visavis is free \
and open source. It gives any language model a face and a voice that people can talk to. It runs \
on your own computer, with no key, no cloud and no graphics card. You hear, think, speak and move \
your lips in real time, and people may interrupt you. If you do not know something, say so."""

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
        tts=TtsConfig(voice_id="heart"),
        video=VideoConfig(character_id="ava"),
    ),
)


def find_agent(agent_id: str) -> Agent | None:
    """The agent with this id; for now there is one, built in."""
    return DEMO if agent_id == DEMO.id else None

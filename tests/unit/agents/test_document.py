"""Agents as files."""

import re
from pathlib import Path

import pytest
import yaml

from visavis.agents import document
from visavis.agents.demo import DEMO
from visavis.agents.document import AgentDocument, DocumentError
from visavis.agents.schema import AgentConfiguration

WHOLE = AgentDocument(
    id="a-1",
    name="no: really",
    publish_status="public",
    configuration={
        "llm": {"system_prompt": "Be kind.\n\n  - and brief\n\ttab ", "temperature": 1.5},
        "language": "no",
        "idle_timeout_seconds": None,
        "allowed_origins": ["https://*.example.com"],
    },
    metadata={"team": "ø", "nested": {"on": True, "n": None}, "text": "on"},
)


def test_a_file_reads_back_as_it_was_written():
    demo = AgentDocument(name=DEMO.name, configuration=DEMO.configuration)
    assert document.read(document.write([WHOLE, demo])) == [WHOLE, demo]


def test_a_file_holds_only_what_differs_from_the_defaults():
    text = document.write([AgentDocument(name="Bo", configuration={"language": "en"})])
    assert text == "name: Bo\nconfiguration: {}\n"


def test_prompts_are_written_for_people():
    prompt = "First line.\nSecond line."
    text = document.write(
        [AgentDocument(name="Bo", configuration={"llm": {"system_prompt": prompt}})]
    )
    assert "system_prompt: |-\n      First line.\n      Second line.\n" in text


def test_json_is_a_file_too():
    (read,) = document.read('{"name": "Bo", "configuration": {"language": "en-GB"}}')
    assert read.configuration.language == "en-GB"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name: [", "not YAML"),
        ("just words", "agent 1"),
        ("name: Bo\n---\nnmae: Bo", "agent 2: name"),
        ("name: Bo\nconfiguration: {llm: {temprature: 1}}", "configuration.llm.temprature"),
        ("name: Bo\nconfiguration: {language: no}", "configuration.language"),
        ("name: Bo\nmetadata: {x: .nan}", "metadata"),
        ("name: Bo\nmetadata: {x: 2026-11-23}", "metadata"),
        ("name: !!python/object/apply:os.getcwd []", "not YAML"),
    ],
)
def test_mistakes_are_told_with_their_place(text, told):
    with pytest.raises(DocumentError, match=told):
        document.read(text)


def test_empty_files_hold_no_agents():
    assert document.read("") == []
    assert document.read("---\n---\n") == []


def test_the_example_of_the_documentation_is_an_agent_file():
    page = Path(__file__).parents[3] / "docs" / "agents.md"
    example, face, *_ = re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL)
    AgentConfiguration.model_validate(yaml.safe_load(face)["configuration"])
    (agent,) = document.read(example)
    assert agent.configuration.llm.first_message == "Welcome, how can I help?"
    assert document.write([agent]) == example.replace(
        "builtin: [end_call]", "builtin:\n    - end_call"
    )

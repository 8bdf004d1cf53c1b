"""Changing agents: merge patches, and what differs."""

import pytest

from visavis.agents.merge import differences, merge, merge_configuration, patch_between
from visavis.agents.schema import AgentConfiguration, LlmConfig

RFC_7396 = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]


@pytest.mark.parametrize(("target", "patch", "result"), RFC_7396)
def test_the_examples_of_the_rfc(target, patch, result):
    before = repr(target)
    assert merge(target, patch) == result
    assert repr(target) == before, "the target is not touched"


@pytest.mark.parametrize(
    ("old", "new"), [(target, result) for target, _, result in RFC_7396 if "e" not in target]
)
def test_a_patch_between_two_turns_one_into_the_other(old, new):
    assert merge(old, patch_between(old, new)) == new
    assert merge(new, patch_between(new, old)) == old


def merged(configuration: AgentConfiguration, patch: dict) -> AgentConfiguration:
    return AgentConfiguration.model_validate(merge_configuration(configuration, patch))


def test_what_a_patch_leaves_out_stays():
    agent = AgentConfiguration(llm=LlmConfig(system_prompt="Be kind.", temperature=1))
    after = merged(agent, {"llm": {"temperature": 0.5}, "language": "en-GB"})
    assert (after.llm.system_prompt, after.llm.temperature) == ("Be kind.", 0.5)
    assert after.language == "en-GB"


def test_null_resets_a_value_or_a_whole_section():
    agent = AgentConfiguration(llm=LlmConfig(system_prompt="Be kind.", temperature=1))
    assert merged(agent, {"llm": {"temperature": None}}).llm.temperature == 0.3
    assert merged(agent, {"llm": None}).llm == LlmConfig()


def test_null_is_chosen_where_it_is_a_choice():
    assert merged(AgentConfiguration(), {"idle_timeout_seconds": None}).idle_timeout_seconds is None
    custom = AgentConfiguration(llm=LlmConfig(provider="openai", custom_url="https://a.example/v1"))
    assert merged(custom, {"llm": {"custom_url": None}}).llm.custom_url is None


def test_the_whole_configuration_as_its_own_patch_changes_nothing():
    agent = AgentConfiguration(idle_timeout_seconds=None, allowed_origins=["https://a.example"])
    assert merged(agent, agent.model_dump(mode="json")) == agent


def test_differences_name_their_place_and_both_values():
    before = {"a": {"b": 1, "same": 2}, "gone": True, "list": [1]}
    after = {"a": {"b": 2, "same": 2}, "new": "x", "list": [1, 2]}
    assert list(differences(before, after)) == [
        ("a.b", 1, 2),
        ("gone", True, None),
        ("list", [1], [1, 2]),
        ("new", None, "x"),
    ]
    assert list(differences({"a": 1}, {"a": True})) == [("a", 1, True)]
    assert list(differences(before, before)) == []

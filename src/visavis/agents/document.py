"""Agents as files: YAML, one document per agent, only what differs from the defaults."""

from collections.abc import Sequence
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from visavis.agents.fields import Id, Name
from visavis.agents.schema import AgentConfiguration, Metadata, PublishStatus


class DocumentError(ValueError):
    """The text is no agent file; the message says where."""


class AgentDocument(BaseModel):
    """An agent in a file. Without ``publish_status`` it stays what it is, at first a draft."""

    model_config = ConfigDict(extra="forbid")

    id: Id | None = None
    name: Name
    publish_status: PublishStatus | None = None
    configuration: AgentConfiguration = AgentConfiguration()
    metadata: Metadata = {}


def read(text: str) -> list[AgentDocument]:
    """The agents in a YAML (or JSON) text. Raises ``DocumentError``."""
    try:
        loaded: list[Any] = [part for part in yaml.safe_load_all(text) if part is not None]
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise DocumentError(f"this is not YAML: {error}") from None
    return [_document(part, number) for number, part in enumerate(loaded, 1)]


def write(documents: Sequence[AgentDocument]) -> str:
    """The YAML text that ``read`` reads back."""
    return yaml.dump_all(
        [_as_written(document) for document in documents],
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        width=100,
    )


def _document(part: Any, number: int) -> AgentDocument:
    try:
        return AgentDocument.model_validate(part)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(step) for step in first["loc"])
        raise DocumentError(f"agent {number}: {where}: {first['msg']}") from None


def _as_written(document: AgentDocument) -> dict[str, Any]:
    """In the order in which a reader wants it."""
    whole = document.model_dump(mode="json", exclude_none=True, exclude={"configuration"})
    metadata = whole.pop("metadata")
    whole["configuration"] = document.configuration.model_dump(mode="json", exclude_defaults=True)
    return whole | ({"metadata": metadata} if metadata else {})


class _Dumper(yaml.SafeDumper):
    """Writes prompts as blocks."""


def _text(dumper: Any, value: str) -> yaml.ScalarNode:
    style = "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)

"""Agents of other vendors, in their JSON, as agents of ours: pure functions, nothing is fetched."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue

from visavis.agents.document import AgentDocument
from visavis.agents.importers import anam, did, iwy, tavus
from visavis.agents.importers.source import Lost, Source

VENDORS: dict[str, Callable[[Source], dict[str, Any]]] = {
    "iwy": iwy.document,
    "tavus": tavus.document,
    "anam": anam.document,
    "d-id": did.document,
}


@dataclass(frozen=True, slots=True)
class Imported:
    document: AgentDocument
    lost: list[Lost]


def import_agent(vendor: str, data: Mapping[str, JsonValue]) -> Imported:
    """The agent, and what could not be carried over. ``KeyError``: no such vendor."""
    source = Source(data)
    document = VENDORS[vendor](source)
    source.report_rest()
    document["name"] = str(document.get("name") or "").strip()[:200] or "Imported agent"
    return Imported(AgentDocument.model_validate(document), source.lost)

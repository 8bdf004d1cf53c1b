"""What may be done with a path: the ``Allow`` header of a 405."""

from typing import Any

from fastapi import Request


def allowed_methods(request: Request) -> str:
    """All methods of the resource at this path; empty where the API knows none.

    Each route knows its own methods only, and a resource has several routes.
    """
    paths: dict[str, Any] = request.app.openapi()["paths"]
    segments = request.url.path.split("/")
    matching = [path for path in paths if _matches(path.split("/"), segments)]
    if not matching:
        return ""
    closest = min(matching, key=lambda path: path.count("{"))
    return ", ".join(sorted(method.upper() for method in paths[closest]))


def _matches(template: list[str], segments: list[str]) -> bool:
    return len(template) == len(segments) and all(
        wanted.startswith("{") or wanted == given
        for wanted, given in zip(template, segments, strict=True)
    )

"""Marshmallow's messages as one sentence that names the member, for every HTTP edge."""

from __future__ import annotations

from typing import Any


def first_problem(messages: dict[Any, Any], path: str = "") -> str:
    """The first problem, as ``member.inner: what is wrong``."""
    name, inner = next(iter(messages.items()))
    here = f"{path}.{name}" if path else str(name)
    if isinstance(inner, dict):
        return first_problem(inner, here)
    return f"{here}: {inner[0] if isinstance(inner, list) else inner}"

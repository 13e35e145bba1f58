"""What one room hands to another through the browser's address: signed, and only for a while."""

from __future__ import annotations

from typing import Any

from itsdangerous import BadData, URLSafeTimedSerializer


def close(secret_key: str, use: str, said: dict[str, Any]) -> str:
    """``said`` as text for an address; readable, so nothing secret, and nobody else can make one."""
    return URLSafeTimedSerializer(secret_key, salt=f"consent-service {use}").dumps(said)


def read(secret_key: str, use: str, text: str, *, seconds: int) -> dict[str, Any] | None:
    """What was said for this use at most so many seconds ago, or None."""
    try:
        said = URLSafeTimedSerializer(secret_key, salt=f"consent-service {use}").loads(text, max_age=seconds)
    except BadData:
        return None
    return said if isinstance(said, dict) else None

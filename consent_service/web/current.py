"""What the running application was made with, found by its type.

The factory puts settings, clock, policy set and the like into the application once;
edges take them out here. One mechanism, typed, and no module-level state.
"""

from __future__ import annotations

import datetime as dt
from typing import Any, TypeVar, cast

from flask import Flask, current_app

from consent_service.clock import Clock

KEY = "consent_service"
T = TypeVar("T")


def provide(app: Flask, *things: object, **named: object) -> None:
    """Put things into the application under their own type, or under a name where several types would do."""
    found = shelf(app)
    for thing in things:
        found[type(thing)] = thing
    found.update(named)


def shelf(app: Flask) -> dict[Any, Any]:
    """Where they lie: for an edge that does without the framework."""
    found: dict[Any, Any] = app.extensions.setdefault(KEY, {})
    return found


def current(kind: type[T]) -> T:
    """The application's one object of exactly this type; KeyError when the factory gave none."""
    return cast("T", current_app.extensions[KEY][kind])


def optional(kind: type[T]) -> T | None:
    """The same, or None where the factory gave none."""
    return cast("T | None", current_app.extensions[KEY].get(kind))


def clock() -> Clock:
    """The application's clock: for who asks it later, perhaps on another request's thread."""
    return cast("Clock", current_app.extensions[KEY]["clock"])


def now() -> dt.datetime:
    """The moment, by the application's clock."""
    return clock().now()


def named(name: str) -> object:
    """What the factory provided under a name, where several types would do."""
    return current_app.extensions[KEY][name]

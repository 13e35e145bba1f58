"""The five registers of the sandbox over real HTTP, changed at will; and registers that misbehave."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from flask import Flask, Response
from sqlalchemy import Engine, create_engine

from tests.nations import served

TODAY = dt.date(2026, 6, 1)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """Both kinds of database, for what is remembered."""
    made = create_engine(database_url)
    yield made
    made.dispose()


@dataclass
class Odd:
    """A register that answers whatever it is told to, and counts how often it was asked."""

    url: str = ""
    answer: Callable[[str], Response] = field(default=lambda path: Response(status=503))
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def odd() -> Iterator[Odd]:
    made, app = Odd(), Flask("odd")

    @app.route("/<path:path>", methods=["GET", "POST"])
    def whatever(path: str) -> Response:
        made.asked.append(path)
        return made.answer(path)

    with served(app) as made.url:
        yield made

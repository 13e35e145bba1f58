"""Business registers, from the command line: what one says, and looking at who stands how now."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from functools import partial

from sqlalchemy import Engine, create_engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from consent_service.clock import SystemClock, rfc3339
from consent_service.commands import CommandError
from consent_service.config import Settings
from consent_service.db import writing_to
from consent_service.grants import register_events
from consent_service.grants.register_events import Looked
from consent_service.registry import identifiers, watch
from consent_service.registry.registers import together as registers
from consent_service.registry.registers.base import Seen

MOST = 100_000


def show(settings: Settings, organisation: str) -> Iterator[str]:
    """What its register says of an organisation, as every worker knows it, and how old that is.

    :raises CommandError: the register knows none, or there is no register to ask
    """
    identifier, now = identifiers.parse(organisation), SystemClock().now()
    register = registers.of(settings, _engine(settings))
    seen = register.signatories(identifier, now)
    if seen.extract is None and not register.covers(identifier):
        raise CommandError(f"the settings name no register that could be asked about {identifier}")
    if seen.extract is None:
        raise CommandError(f"{seen.source} knows no {identifier}")
    extract, euid = seen.extract, identifiers.euid_of(identifier)
    yield f"{extract.name} ({identifier}{f', {euid}' if euid else ''}) is {extract.status.value}"
    yield f"said by {seen.source} at {rfc3339(seen.at)[:16]}, {_age(seen, now)} ago"
    if doubt := identifiers.doubt(identifier):
        yield doubt
    for post in extract.posts:
        yield f"{post.title} ({post.role.value}): {', '.join(one.name for one in post.holders)}"
    rights = extract.signatures
    for rule in rights.rules:
        who = "alone" if rule.size == 1 else f"{rule.size} together"
        yield f"binds it, {who}, {rule.power.value}: {rule.description}"
    if rights.text:
        yield f"in the register's words: {rights.text}"
    if not rights.complete:
        yield "not all that the register says of signatures could be read; what could not gives nobody power"


def check(settings: Settings, organisations: Sequence[str]) -> Iterator[str]:
    """Look now at these organisations, or at all that are due, and do what follows."""
    engine = _engine(settings)
    register, named = registers.of(settings, engine), [identifiers.parse(one) for one in organisations]
    if not named:
        now = SystemClock().now()
        with Session(engine) as session:
            named = [one for part in range(watch.SHARDS) for one in watch.due(session, part, now, MOST)]
    for identifier in named:
        now = SystemClock().now()
        looked = register_events.look(partial(writing_to, engine), register, identifier, now)
        yield f"{identifier} {_said(looked)}"
    yield f"{len(named)} looked at"


def _said(looked: Looked) -> str:
    if looked.status is None:
        return "was not told of: nothing follows, and it is looked at again soon"
    if not looked.changed:
        return f"is {looked.status.value}, as before"
    return f"is {looked.status.value} now; {looked.moved} grants suspended or resumed"


def _age(seen: Seen, now: dt.datetime) -> str:
    return f"{int((now - seen.at).total_seconds() // 60)} minutes"


def _engine(settings: Settings) -> Engine:
    return create_engine(settings.database_url, poolclass=NullPool)

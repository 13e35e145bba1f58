"""All registers as one: which is asked about whom, what was said lately, what happens when one is down.

Every organisation has one register, by the ICD of its identifier. What was said within
:data:`LATELY` is not asked again, except where something depends on this very moment. When a
register does not answer, what it said goes on until it is as old as a representation may be.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import structlog
from sqlalchemy import Engine

from consent_service.config import RegisterAccess, Settings
from consent_service.registry import identifiers
from consent_service.registry.extract import acts_alone_as, find
from consent_service.registry.model import REPRESENTATION_LIFE, NationalIdentity, RegisteredRole
from consent_service.registry.registers.asking import Asker, Sign, Token, unsigned
from consent_service.registry.registers.base import (
    Adapter,
    Found,
    NoRegister,
    Register,
    RegisterUnavailable,
    Seen,
)
from consent_service.registry.registers.denmark import Denmark, basic
from consent_service.registry.registers.finland import Finland
from consent_service.registry.registers.iceland import Iceland
from consent_service.registry.registers.memory import Memory
from consent_service.registry.registers.nordic import Nordic
from consent_service.registry.registers.norway import Norway
from consent_service.registry.registers.sweden import SCOPE, Sweden

T = TypeVar("T")
LATELY = dt.timedelta(minutes=5)
MOST_ORGANISATIONS = 50
"""Organisations of one person that are looked at; whoever is in more is asked which they mean."""


@dataclass
class _Asked:
    """What one question to the registers brought, remembered once it is answered."""

    seen: list[tuple[str, Seen]] = field(default_factory=list)
    failed: set[str] = field(default_factory=set)
    answered: set[str] = field(default_factory=set)


class Registers:
    """The registers by ICD, and one for all countries that have none of their own.

    :param memory: None for commands that ask once
    """

    name = "the business register"

    def __init__(
        self, by_icd: Mapping[str, Adapter], otherwise: Adapter | None, memory: Memory | None = None
    ) -> None:
        self._by_icd, self._otherwise, self._memory = dict(by_icd), otherwise, memory

    def adapter(self, identifier: str) -> Adapter | None:
        """The register of an organisation, or None."""
        return self._by_icd.get(identifier.partition(":")[0], self._otherwise)

    def covers(self, identifier: str) -> bool:
        """See :class:`consent_service.registry.registers.base.Register`."""
        return self.adapter(identifier) is not None

    def look(self, identifier: str, now: dt.datetime) -> Seen:
        """Ask now."""
        asked = _Asked()
        try:
            return self._ask(identifier, now, asked)
        finally:
            self._remember(asked, now)

    def signatories(self, identifier: str, now: dt.datetime) -> Seen:
        """What was said lately, else ask; when that fails, what was said within the hour."""
        asked = _Asked()
        try:
            return self._recent(identifier, now, asked)
        finally:
            self._remember(asked, now)

    def role_in(
        self, identity: NationalIdentity, identifier: str, now: dt.datetime, *, fresh: bool
    ) -> RegisteredRole | None:
        """See :class:`consent_service.registry.registers.base.Register`."""
        seen = self.look(identifier, now) if fresh else self.signatories(identifier, now)
        return self._role(identity, identifier, seen)

    def roles_of(self, identity: NationalIdentity, known: Collection[str], now: dt.datetime) -> Found:
        """Ask the registers that can be asked by person, then look at each organisation.

        An organisation whose register does not answer is told as such, so that what is known of it
        stays; it goes on counting for as long as it would have.
        """
        asked, named, silent, roles = _Asked(), dict.fromkeys(sorted(known)), set[str](), []
        for adapter in self._all():
            try:
                found = self._put(adapter, partial(adapter.organisations_of, identity), now, asked)
            except RegisterUnavailable:
                continue
            if found is not None:
                asked.answered.add(adapter.name)
                named |= dict.fromkeys(found)
        for identifier in list(named)[:MOST_ORGANISATIONS]:
            try:
                seen = self._recent(identifier, now, asked)
            except RegisterUnavailable:
                silent.add(identifier)
            else:
                if role := self._role(identity, identifier, seen):
                    roles.append(role)
        self._remember(asked, now)
        if asked.failed and not asked.answered:
            raise RegisterUnavailable(self.name, f"{', '.join(sorted(asked.failed))} did not answer")
        return Found(tuple(roles), frozenset(silent))

    def _all(self) -> list[Adapter]:
        everybody = [*self._by_icd.values(), *([self._otherwise] if self._otherwise else [])]
        return list(dict.fromkeys(everybody))

    def _recent(self, identifier: str, now: dt.datetime, asked: _Asked) -> Seen:
        last = self._memory.last(identifier) if self._memory else None
        if last is not None and dt.timedelta() <= now - last.at <= LATELY:
            return last
        try:
            return self._ask(identifier, now, asked)
        except RegisterUnavailable:
            if last is not None and dt.timedelta() <= now - last.at <= REPRESENTATION_LIFE:
                return last
            raise

    def _ask(self, identifier: str, now: dt.datetime, asked: _Asked) -> Seen:
        adapter = self.adapter(identifier)
        if adapter is None:
            country = identifiers.country_of(identifier)
            raise RegisterUnavailable(self.name, f"none is set up for {country}")
        extract = self._put(adapter, partial(adapter.extract, identifier, now.date()), now, asked)
        asked.answered.add(adapter.name)
        seen = Seen(extract, now, adapter.name)
        asked.seen.append((identifier, seen))
        return seen

    def _put(self, adapter: Adapter, question: Callable[[], T], now: dt.datetime, asked: _Asked) -> T:
        """Put a question, unless it was found a moment ago that this register does not answer."""
        if adapter.name in asked.failed:
            raise RegisterUnavailable(adapter.name, "it did not answer just now")
        known = self._memory is not None and adapter.name in asked.answered
        if self._memory is not None and not known and self._memory.reached(adapter.name).rests(now):
            raise RegisterUnavailable(adapter.name, "it did not answer a moment ago")
        try:
            return question()
        except RegisterUnavailable as error:
            asked.failed.add(adapter.name)
            structlog.get_logger().warning(
                "register unavailable", register=adapter.name, problem=error.detail
            )
            raise

    def _role(self, identity: NationalIdentity, identifier: str, seen: Seen) -> RegisteredRole | None:
        adapter, extract = self.adapter(identifier), seen.extract
        if adapter is None or extract is None:
            return None
        match = find(extract, identity, adapter.country)
        role = acts_alone_as(extract, match.signatory) if match else None
        if match is None or role is None:
            return None
        return RegisteredRole(identifier, extract.name, role, seen.source, seen.at, match.by_number)

    def _remember(self, asked: _Asked, now: dt.datetime) -> None:
        if self._memory is not None:
            self._memory.note(asked.seen, asked.failed, now)


def of(settings: Settings, engine: Engine | None = None) -> Register:
    """The registers that the settings name.

    :param engine: where to remember what they say; None for commands that ask once
    """
    by_icd = {
        icd: adapter_of(access)
        for access in settings.registers
        if (icd := identifiers.icd_of(access.country))
    }
    otherwise = Nordic(settings.register_url) if settings.register_url else None
    if not by_icd and otherwise is None:
        return NoRegister()
    return Registers(by_icd, otherwise, Memory(engine, settings.secret_key) if engine else None)


def adapter_of(access: RegisterAccess) -> Adapter:
    """The adapter of one country's register."""
    key: Sign = _header("Ocp-Apim-Subscription-Key", access.secret)
    match access.country:
        case "NO":
            return Norway(access.url)
        case "SE":
            if not access.token_url:
                return Sweden(access.url)
            token = Token(Asker(Sweden.name, access.token_url), access.user, access.secret, SCOPE)
            return Sweden(access.url, token)
        case "DK":
            return Denmark(access.url, basic(access.user, access.secret) if access.user else unsigned)
        case "FI":
            return Finland(access.url, access.persons_url, _header("Authorization", _bearer(access.secret)))
        case _:
            return Iceland(access.url, access.persons_url, key, _header("X-Road-Client", access.user))


def _header(name: str, value: str) -> Sign:
    return (lambda: {name: value}) if value else unsigned


def _bearer(token: str) -> str:
    return f"Bearer {token}" if token else ""

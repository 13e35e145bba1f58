"""The published catalogue: why data may be asked for, and which data there is.

Versioned files in the policy directory, which people can read and review; a policy
directory without them has an empty catalogue.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, get_args

import yaml

from consent_service.errors import ServiceError
from consent_service.grants.duration import Duration, longer, parse_duration
from consent_service.grants.model import CONSENT, Frequency, Unit, most_in
from consent_service.grants.types import DetailsType
from consent_service.grants.types import load as load_types
from consent_service.registry import identifiers

FALLBACK = "en"
TYPES = "types"
Kind = Literal["financial", "trade", "non_financial"]
PersonalData = Literal["none", "possible"]


class CatalogueError(Exception):
    """A catalogue file that can't be used; the message names file and member."""


@dataclass(frozen=True, slots=True)
class Texts:
    """A short text in several languages (ISO 639-1); English is always there."""

    by_language: Mapping[str, str]

    def __call__(self, language: str = FALLBACK) -> str:
        return self.by_language.get(language) or self.by_language[FALLBACK]


@dataclass(frozen=True, slots=True)
class DataSet:
    """What may be read, and whether it can say something about a person."""

    id: str
    name: Texts
    description: Texts
    kind: Kind
    personal_data: PersonalData
    confirmed_for: Duration | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that may be asked for; no ``most_often`` is no limit to how often."""

    data_sets: frozenset[str]
    longest_period: Duration
    longest_access: Duration
    longest_retention: Duration
    most_often: Frequency | None

    def within(self, wider: Limits) -> bool:
        """Whether these limits allow nothing that ``wider`` does not."""
        often = wider.most_often
        mine = most_in(self.most_often, often.unit) if often and self.most_often else None
        return (
            self.data_sets <= wider.data_sets
            and not longer(self.longest_period, wider.longest_period)
            and not longer(self.longest_access, wider.longest_access)
            and not longer(self.longest_retention, wider.longest_retention)
            and (often is None or (mine is not None and mine <= often.value))
        )


@dataclass(frozen=True, slots=True)
class Purpose:
    """Why it may be read. ``dpv`` is the W3C DPV term, ``licence`` what the party must hold.

    ``masks`` are members of a data set that a holder leaves out for this purpose.
    """

    id: str
    name: Texts
    description: Texts
    dpv: str
    legal_bases: frozenset[str]
    limits: Limits
    licence: str = ""
    onward_sharing: bool = False
    masks: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LegalBasis:
    """A law that opens data without the owner's word; ``gdpr`` is the point of article 6(1)."""

    id: str
    law: str
    country: str
    gdpr: str
    authorities: frozenset[str]
    purpose: str
    limits: Limits
    notice: Duration


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Purposes, data sets, legal bases and types of authorization details by id."""

    purposes: Mapping[str, Purpose] = field(default_factory=dict)
    data_sets: Mapping[str, DataSet] = field(default_factory=dict)
    legal_bases: Mapping[str, LegalBasis] = field(default_factory=dict)
    types: Mapping[str, DetailsType] = field(default_factory=dict)

    @classmethod
    def load(cls, directory: Path) -> Catalogue:
        """Read ``purposes.yaml``, ``datasets.yaml`` and, if there is one, ``legal_bases.yaml``.

        A missing directory is an empty catalogue. The types are read from the folder beside it.

        :raises CatalogueError: YAML or a schema that does not parse, a member missing or wrong, a purpose
            that names a data set or a law which is not there, a law wider than its purpose
        """
        try:
            types = load_types(directory.parent / TYPES)
        except ValueError as error:
            raise CatalogueError(str(error)) from error
        if not directory.is_dir():
            return cls(types=types)
        data_sets = {
            name: _data_set(name, entry) for name, entry in _read(directory / "datasets.yaml").items()
        }
        purposes = {name: _purpose(name, entry) for name, entry in _read(directory / "purposes.yaml").items()}
        laws = directory / "legal_bases.yaml"
        bases = {name: _basis(name, entry) for name, entry in _read(laws).items()} if laws.is_file() else {}
        for purpose in purposes.values():
            if unknown := purpose.limits.data_sets - set(data_sets):
                raise CatalogueError(f"purposes.yaml: {purpose.id} names no data set: {min(unknown)}")
            if unknown := purpose.legal_bases - {CONSENT, *bases}:
                raise CatalogueError(f"purposes.yaml: {purpose.id} names no legal basis: {min(unknown)}")
        for basis in bases.values():
            served = purposes.get(basis.purpose)
            if served is None or basis.id not in served.legal_bases:
                raise CatalogueError(f"legal_bases.yaml: {basis.id}: its purpose does not rest on it")
            if not basis.limits.within(served.limits):
                raise CatalogueError(f"legal_bases.yaml: {basis.id} is wider than its purpose")
        return cls(MappingProxyType(purposes), MappingProxyType(data_sets), MappingProxyType(bases), types)

    def purpose(self, purpose_id: str) -> Purpose | None:
        return self.purposes.get(purpose_id)

    def data_set(self, data_set_id: str) -> DataSet | None:
        return self.data_sets.get(data_set_id)

    def legal_basis(self, basis_id: str) -> LegalBasis | None:
        """The law with this id; consent is none."""
        return self.legal_bases.get(basis_id)


def _data_set(name: str, entry: Mapping[str, Any]) -> DataSet:
    where = f"datasets.yaml: {name}"
    texts = _texts(entry, "name", where), _texts(entry, "description", where)
    for member, known in (("kind", get_args(Kind)), ("personal_data", get_args(PersonalData))):
        if entry.get(member) not in known:
            raise CatalogueError(f"{where}: {member} must be one of {', '.join(known)}")
    with _named(where):
        confirmed = parse_duration(entry["confirmed_for"]) if "confirmed_for" in entry else None
    return DataSet(name, *texts, entry["kind"], entry["personal_data"], confirmed)


def _purpose(name: str, entry: Mapping[str, Any]) -> Purpose:
    where = f"purposes.yaml: {name}"
    with _named(where):
        return Purpose(
            id=name,
            name=_texts(entry, "name", where),
            description=_texts(entry, "description", where),
            dpv=str(entry["dpv"]),
            legal_bases=frozenset(entry["legal_bases"]),
            limits=_limits(entry),
            licence=str(entry.get("licence", "")),
            onward_sharing=entry.get("onward_sharing", False) is True,
            masks={one: tuple(map(str, members)) for one, members in entry.get("mask", {}).items()},
        )


def _basis(name: str, entry: Mapping[str, Any]) -> LegalBasis:
    where = f"legal_bases.yaml: {name}"
    with _named(where):
        if name == CONSENT or entry["gdpr"] not in {"c", "e"}:
            raise CatalogueError(f"{where}: a law is point c or e of GDPR article 6(1), and is not consent")
        return LegalBasis(
            id=name,
            law=str(entry["law"]),
            country=str(entry["country"]),
            gdpr=entry["gdpr"],
            authorities=frozenset(map(identifiers.parse, entry["authorities"])),
            purpose=str(entry["purpose"]),
            limits=_limits(entry),
            notice=parse_duration(entry["notice"]),
        )


def _limits(entry: Mapping[str, Any]) -> Limits:
    often = entry.get("most_often")
    return Limits(
        data_sets=frozenset(entry["data_sets"]),
        longest_period=parse_duration(entry["longest_period"]),
        longest_access=parse_duration(entry["longest_access"]),
        longest_retention=parse_duration(entry["longest_retention"]),
        most_often=Frequency(Unit(often["unit"]), int(often["value"])) if often else None,
    )


@contextmanager
def _named(where: str) -> Iterator[None]:
    """Whatever is wrong with an entry, the error says in which."""
    try:
        yield
    except KeyError as error:
        raise CatalogueError(f"{where}: {error.args[0]} is missing") from error
    except ServiceError as error:
        raise CatalogueError(f"{where}: {error.description}") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise CatalogueError(f"{where}: {error}") from error


def _texts(entry: object, member: str, where: str) -> Texts:
    texts = entry.get(member) if isinstance(entry, Mapping) else None
    if not isinstance(texts, Mapping) or FALLBACK not in texts:
        raise CatalogueError(f"{where}: {member} needs a text in {FALLBACK}")
    return Texts({str(language): " ".join(str(text).split()) for language, text in texts.items()})


class EachOnce(yaml.CSafeLoader):
    """YAML in which no key stands twice: the later would silently win, and widen a purpose unseen.

    On the parser in C: a policy directory is read in a third of the time.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002
        keys = [(key.tag, key.value) for key, _value in node.value if isinstance(key, yaml.ScalarNode)]
        if len(set(keys)) != len(keys):
            raise yaml.constructor.ConstructorError(None, None, "a key stands twice", node.start_mark)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> Any:
    """A file of a policy directory, in which no key stands twice.

    :raises OSError, ValueError, yaml.YAMLError: it can't be read
    """
    loader = EachOnce(path.read_text("utf-8"))
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


def _read(path: Path) -> Mapping[str, Any]:
    try:
        document = read_yaml(path)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise CatalogueError(f"{path.name} can't be read: {error}") from error
    if not isinstance(document, Mapping):
        raise CatalogueError(f"{path.name} must be a mapping of ids")
    return document

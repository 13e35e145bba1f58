"""The interface that every business register's adapter offers, and the null twin.

An adapter speaks to one register over HTTP and answers in our words. It never writes.
"""

from __future__ import annotations

from typing import Protocol

from consent_service.errors import ServiceError
from consent_service.registry.model import NationalIdentity, RegisteredRole


class RegisterUnavailable(ServiceError):
    """The register did not answer, or not in its own words; nothing may be concluded from that."""

    def __init__(self, register: str, detail: str) -> None:
        super().__init__(
            "register_unavailable",
            f"Right now {register} can't be reached. Please try again in a few minutes.",
            status=503,
            detail=detail,
        )


class Register(Protocol):
    """A business register, asked about one person or one organisation."""

    name: str

    def organisation_name(self, identifier: str) -> str | None:
        """The registered name of an active organisation (short form), or None where there is none.

        :raises RegisterUnavailable: no usable answer
        """
        ...

    def roles_of(self, identity: NationalIdentity) -> list[RegisteredRole]:
        """The roles by which this person may act for an organisation alone.

        :raises RegisterUnavailable: no usable answer
        """
        ...


class NoRegister:
    """The null twin: no register is configured, so nobody represents anybody."""

    name = "nobody"

    def organisation_name(self, identifier: str) -> str | None:
        return None

    def roles_of(self, identity: NationalIdentity) -> list[RegisteredRole]:
        return []

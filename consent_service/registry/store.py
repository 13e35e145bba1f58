"""The registry's tables: organisations, clients, persons, passkeys, representation."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from consent_service.db import Base, Instant
from consent_service.registry.model import (
    AuthMethod,
    Client,
    ClientRole,
    Organisation,
    Profile,
    Standing,
)


class OrganisationRow(Base):
    """An organisation that takes part as a party or a holder."""

    __tablename__ = "organisation"

    identifier: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    country: Mapped[str] = mapped_column(String(2))
    status: Mapped[str] = mapped_column(String(16))
    verified_by: Mapped[str] = mapped_column(Text)

    def to_model(self) -> Organisation:
        return organisation_of(self)


class ClientRow(Base):
    """An OAuth client; only public keys and the hash of a secret are stored."""

    __tablename__ = "client"

    client_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    role: Mapped[str] = mapped_column(String(16))
    name: Mapped[str] = mapped_column(Text)
    organisation_id: Mapped[str] = mapped_column(ForeignKey("organisation.identifier"), index=True)
    status: Mapped[str] = mapped_column(String(16))
    jwks: Mapped[dict[str, Any]] = mapped_column(JSON)
    redirect_uris: Mapped[list[str]] = mapped_column(JSON)
    created_at: Mapped[dt.datetime] = mapped_column(Instant)
    dpop_bound: Mapped[bool] = mapped_column(default=False)
    profile: Mapped[str] = mapped_column(String(16))
    auth_method: Mapped[str] = mapped_column(String(32))
    secret_hash: Mapped[str | None] = mapped_column(String(64))
    client_metadata: Mapped[dict[str, Any]] = mapped_column(JSON)
    management_hash: Mapped[str | None] = mapped_column(String(64))
    """SHA-256 of the token with which the client manages itself (RFC 7592); None where the operator does."""
    software_statement: Mapped[str | None] = mapped_column(Text)

    organisation: Mapped[OrganisationRow] = relationship(lazy="joined", innerjoin=True)
    resources: Mapped[list[ResourceRow]] = relationship(lazy="selectin", order_by="ResourceRow.uri")

    def to_model(self) -> Client:
        return model_of(self, self.organisation.to_model(), (row.uri for row in self.resources))


def organisation_of(row: OrganisationRow) -> Organisation:
    """An organisation from its columns."""
    return Organisation(row.identifier, row.name, row.country, Standing(row.status), row.verified_by)


def model_of(row: ClientRow, organisation: Organisation, resources: Iterable[str]) -> Client:
    """A client from its columns, and what stands in other tables."""
    return Client(
        client_id=row.client_id,
        role=ClientRole(row.role),
        name=row.name,
        organisation=organisation,
        status=Standing(row.status),
        jwks=row.jwks,
        redirect_uris=tuple(row.redirect_uris),
        resources=tuple(resources),
        dpop_bound=row.dpop_bound,
        profile=Profile(row.profile),
        auth_method=AuthMethod(row.auth_method),
        secret_hash=row.secret_hash,
        metadata=row.client_metadata,
    )


class LicenceRow(Base):
    """What an organisation is licensed for, who says so, and until when."""

    __tablename__ = "licence"

    organisation_id: Mapped[str] = mapped_column(ForeignKey("organisation.identifier"), primary_key=True)
    licence: Mapped[str] = mapped_column(String(64), primary_key=True)
    source: Mapped[str] = mapped_column(Text)
    valid_until: Mapped[dt.datetime] = mapped_column(Instant)


class ResourceRow(Base):
    """An address that a holder serves data at; it belongs to one holder only (RFC 8707 calls it resource)."""

    __tablename__ = "holder_resource"

    uri: Mapped[str] = mapped_column(String(512), primary_key=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("client.client_id"), index=True)


class ServedRow(Base):
    """An owner that a holder serves; ``ended_at`` is when it stopped.

    A holder that has any row, ended or not, serves those owners alone; one that has none
    serves everybody.
    """

    __tablename__ = "served_owner"

    owner: Mapped[str] = mapped_column(String(64), primary_key=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("client.client_id"), primary_key=True, index=True)
    ended_at: Mapped[dt.datetime | None] = mapped_column(Instant)


class PersonRow(Base):
    """A person, known by the eID that introduced them. National number and date of birth are sealed."""

    __tablename__ = "person"

    person_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    eid_issuer: Mapped[str] = mapped_column(String(255))
    eid_subject: Mapped[str] = mapped_column(String(255))
    name: Mapped[str] = mapped_column(Text)
    sealed_person_number: Mapped[str] = mapped_column(Text)
    sealed_details: Mapped[str | None] = mapped_column(Text)
    """Date of birth, and the country whose number it is; None for who signed in before they were kept."""
    looked_at: Mapped[dt.datetime | None] = mapped_column(Instant)
    """When the registers were last asked for whom this person acts."""
    created_at: Mapped[dt.datetime] = mapped_column(Instant)
    language: Mapped[str | None] = mapped_column(String(8))

    __table_args__ = (UniqueConstraint("eid_issuer", "eid_subject"),)


class PasskeyRow(Base):
    """A passkey's public half (WebAuthn section 4, credential record)."""

    __tablename__ = "passkey"

    credential_id: Mapped[bytes] = mapped_column(LargeBinary(1023), primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("person.person_id"), index=True)
    public_key: Mapped[bytes] = mapped_column(LargeBinary)
    sign_count: Mapped[int] = mapped_column(BigInteger)
    name: Mapped[str] = mapped_column(Text)
    created_at: Mapped[dt.datetime] = mapped_column(Instant)
    last_used: Mapped[dt.datetime | None] = mapped_column(Instant)


class RepresentationRow(Base):
    """A person's right to act for an owner, as its source last stated it."""

    __tablename__ = "representation"

    owner: Mapped[str] = mapped_column(String(64), primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("person.person_id"), primary_key=True)
    role: Mapped[str] = mapped_column(String(32))
    owner_name: Mapped[str] = mapped_column(Text)
    source: Mapped[str] = mapped_column(Text)
    checked_at: Mapped[dt.datetime] = mapped_column(Instant)
    by_number: Mapped[bool] = mapped_column(default=True)
    """Whether the register knows the person by their national number; else by name and date of birth."""

    __table_args__ = (Index("ix_representation_person_id", "person_id"),)


def _listed(name: str, *columns: str, unique: bool = False, revoked: bool = False) -> Index:
    """An index of the tokens that have a place in a status list; refresh tokens have none."""
    where = text("status_list IS NOT NULL" + (" AND revoked_at IS NOT NULL" if revoked else ""))
    name = f"ix_token_status_list_{name}"
    return Index(name, "status_list", *columns, unique=unique, sqlite_where=where, postgresql_where=where)


class TokenRow(Base):
    """An issued access or refresh token, known only by its SHA-256."""

    __tablename__ = "token"

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    client_id: Mapped[str] = mapped_column(ForeignKey("client.client_id"), index=True)
    authorization_id: Mapped[str | None] = mapped_column(String(36), index=True)
    owner: Mapped[str | None] = mapped_column(String(64))
    grant_id: Mapped[str | None] = mapped_column(String(36))
    jti: Mapped[str] = mapped_column(String(36))
    scope: Mapped[str] = mapped_column(Text)
    audience: Mapped[list[str]] = mapped_column(JSON)
    jkt: Mapped[str | None] = mapped_column(String(64))
    x5t: Mapped[str | None] = mapped_column(String(64))
    issued_at: Mapped[dt.datetime] = mapped_column(Instant)
    expires_at: Mapped[dt.datetime] = mapped_column(Instant, index=True)
    revoked_at: Mapped[dt.datetime | None] = mapped_column(Instant)
    status_list: Mapped[int | None] = mapped_column(BigInteger)
    status_index: Mapped[int | None] = mapped_column(Integer)

    grant_version: Mapped[int | None]
    narrowed: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    actor: Mapped[str | None] = mapped_column(String(64))
    exchanged_from: Mapped[str | None] = mapped_column(String(64))

    __table_args__ = (
        # The one place in a status list; and what a list asks: which of mine was revoked, whose are they.
        _listed("place", "status_index", unique=True),
        _listed("revoked", revoked=True),
        _listed("grant_id", "grant_id"),
        _listed("client_id", "client_id"),
        Index(
            "ix_token_exchanged_from",
            "exchanged_from",
            sqlite_where=text("exchanged_from IS NOT NULL"),
            postgresql_where=text("exchanged_from IS NOT NULL"),
        ),
    )

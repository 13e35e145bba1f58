"""Clients that sign with each algorithm, and what the service's own signatures say."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from werkzeug.test import TestResponse

from consent_service.db import writing
from consent_service.errors import ServiceError
from consent_service.registry import parties
from consent_service.registry.model import AuthMethod, ClientRole, Profile
from consent_service.registry.parties import Registration
from tests.world import REDIRECT, Peer, World

Row = Callable[[World, Any], None]
BANK, ERP = "0192:310041238", "0192:310052345"
ALL = ("ES256", "PS256", "EdDSA", "RS256", "ES384", "HS256")
"""Algorithms to try; what a document does not name is refused."""


@functools.cache
def key_of(algorithm: str) -> Any:
    """A private key; made once, since RSA's take long."""
    if algorithm in {"PS256", "RS256"}:
        return rsa.generate_private_key(65537, 2048)
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    if algorithm == "HS256":
        return b"k" * 32
    return ec.generate_private_key(ec.SECP384R1() if algorithm == "ES384" else ec.SECP256R1())


@functools.cache
def public(algorithm: str) -> dict[str, Any]:
    """The public JWK; for HS256 another key's, since no secret can be registered."""
    key = key_of("ES256" if algorithm == "HS256" else algorithm).public_key()
    kinds = {
        rsa.RSAPublicKey: jwt.algorithms.RSAAlgorithm,
        ed25519.Ed25519PublicKey: jwt.algorithms.OKPAlgorithm,
        ec.EllipticCurvePublicKey: jwt.algorithms.ECAlgorithm,
    }
    [encode] = [found for kind, found in kinds.items() if isinstance(key, kind)]
    return {**encode.to_jwk(key, as_dict=True), "kid": algorithm}


@dataclass
class Asking(Peer):
    """A client that signs with one algorithm."""

    algorithm: str = "ES256"

    def assertion(self, algorithm: str = "", key: Any = None, headers: Any = None, **changes: Any) -> str:
        headers = headers or {"kid": self.algorithm}
        return super().assertion(algorithm or self.algorithm, key, headers, **changes)


def client(
    world: World, role: ClientRole = ClientRole.PARTY, algorithm: str = "ES256", **metadata: Any
) -> Asking:
    """A registered client that has a key for this algorithm."""
    registration = Registration(
        role=role,
        name="A client of the metadata's tests",
        organisation=ERP if role is ClientRole.HOLDER else BANK,
        jwks={"keys": [public(algorithm)]},
        redirect_uris=() if role is ClientRole.HOLDER else (REDIRECT,),
        metadata=metadata,
    )
    with world.app.app_context(), writing() as session:
        made = parties.register(session, registration, world.clock.now())
    return Asking(world, made.client_id, key_of(algorithm), algorithm=algorithm)


def may_register(world: World, profile: Profile = Profile.FAPI2, **metadata: Any) -> bool:
    """Whether a client with this metadata is registered; nothing else about it is wrong."""
    oidc = profile is Profile.OIDC
    registration = Registration(
        role=ClientRole.LOGIN if oidc else ClientRole.PARTY,
        name="A client of the metadata's tests",
        organisation=BANK,
        jwks={} if oidc else {"keys": [public("ES256")]},
        redirect_uris=(REDIRECT,),
        profile=profile,
        auth_method=AuthMethod.CLIENT_SECRET_BASIC if oidc else AuthMethod.PRIVATE_KEY_JWT,
        secret="s" * 43 if oidc else "",
        metadata=metadata,
    )
    try:
        with world.app.app_context(), writing() as session:
            parties.register(session, registration, world.clock.now())
    except ServiceError as error:
        if error.code != "invalid_client_metadata":
            raise
        return False
    return True


def header_of(token: str) -> dict[str, Any]:
    return jwt.get_unverified_header(token)


def claims_of(token: str) -> dict[str, Any]:
    return dict(jwt.decode(token, options={"verify_signature": False}))


def error_of(answer: TestResponse) -> str:
    """The code of an OAuth error; empty where there is none."""
    return "" if answer.status_code < 400 else str((answer.json or {}).get("error", answer.status_code))


def only(advertised: list[str], tried: tuple[str, ...], works: Callable[[str], bool]) -> None:
    """What a document names works, each of it; what else is tried does not, and what works is named.

    :param tried: all that we know of, done here or not
    """
    assert advertised
    assert {one for one in {*advertised, *tried} if works(one)} == set(advertised)

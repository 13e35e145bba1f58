"""DPoP (RFC 9449), both sides: making a proof, and checking one.

The authorisation server and the data holder check with the same function; they differ in
where they remember the proofs that they have seen.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import json
import secrets
import threading
from collections.abc import Sequence
from typing import Any, Protocol
from urllib.parse import urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import ECAlgorithm

from consent_service.verifier.errors import DPoPError, UseNonce

ALGORITHMS = ("ES256", "PS256", "EdDSA")
BEHIND = 30  # seconds a proof may be old: ten and the way here must pass (FAPI 2.0's conformance tests)
AHEAD = 15  # seconds the maker's clock may be ahead; FAPI 2.0 section 5.3.2.1: ten must pass, sixty must not
LONGEST = 8192  # characters
FAR = 2**40  # a NumericDate beyond any calendar
RSA_BITS = 2048  # FAPI 2.0 section 5.4.1
PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "k"})
DEFAULT_PORTS = {"https": 443, "http": 80}
REQUIRED: dict[str, tuple[str, ...]] = {
    "EC": ("crv", "kty", "x", "y"),
    "RSA": ("e", "kty", "n"),
    "OKP": ("crv", "kty", "x"),
}


class Replay(Protocol):
    """Remembers proofs: one use each."""

    def use(self, jkt: str, jti: str, until: dt.datetime) -> bool:
        """Note the proof; False when it was noted before."""
        ...


class Nonces(Protocol):
    """Nonces that a checker hands out (RFC 9449 sections 8 and 9)."""

    @property
    def required(self) -> bool:
        """Whether a proof without a nonce is refused."""
        ...

    def fresh(self, nonce: object, now: dt.datetime) -> bool:
        """Whether this one was handed out, and not long ago."""
        ...


class MemoryReplay:
    """One process's memory, emptied of what is too old to be accepted anyway."""

    def __init__(self, most: int = 100_000) -> None:
        self._seen: dict[tuple[str, str], dt.datetime] = {}
        self._lock = threading.Lock()
        self._most = most

    def use(self, jkt: str, jti: str, until: dt.datetime) -> bool:
        with self._lock:
            if (jkt, jti) in self._seen:
                return False
            if len(self._seen) >= self._most:
                horizon = until - dt.timedelta(seconds=BEHIND + 2 * AHEAD)
                self._seen = {proof: end for proof, end in self._seen.items() if end > horizon}
            if len(self._seen) >= self._most:
                return False  # full of live proofs: refusing is the safe side
            self._seen[jkt, jti] = until
            return True


class DPoPKey:
    """A key that its holder proves possession of; ES256."""

    def __init__(self, private_key: Any) -> None:
        self._key = private_key
        self.public_jwk: dict[str, Any] = {
            name: value
            for name, value in json.loads(ECAlgorithm.to_jwk(private_key.public_key())).items()
            if name in REQUIRED["EC"]
        }
        self.jkt = thumbprint(self.public_jwk)

    def proof(
        self, method: str, url: str, now: dt.datetime, access_token: str | None = None, nonce: str = ""
    ) -> str:
        """A proof for one request (RFC 9449 section 4.2), with the server's ``nonce`` where it gave one."""
        claims: dict[str, Any] = {
            "jti": secrets.token_urlsafe(16),
            "htm": method,
            "htu": url,
            "iat": int(now.timestamp()),
        }
        if access_token is not None:
            claims["ath"] = token_hash(access_token)
        if nonce:
            claims["nonce"] = nonce
        return jwt.encode(
            claims, self._key, algorithm="ES256", headers={"typ": "dpop+jwt", "jwk": self.public_jwk}
        )


def check_proof(
    proofs: Sequence[str],
    *,
    method: str,
    url: str,
    now: dt.datetime,
    replay: Replay,
    access_token: str | None = None,
    nonces: Nonces | None = None,
) -> str:
    """Check the DPoP header of one request and return its key's thumbprint (RFC 9449 section 4.3).

    1. There is exactly one header, and it is one compact JWT.
    2. ``typ`` is dpop+jwt, ``alg`` is PS256, ES256 or EdDSA.
    3. ``jwk`` is a public, asymmetric key, of RSA with at least 2048 bits, and signed the proof.
    4. ``jti``, ``htm``, ``htu`` (without query and fragment) and ``iat`` are there and fit.
    5. ``nonce``, where the checker hands nonces out, is a fresh one, or missing where none is required.
    6. With an access token, ``ath`` is its hash; the caller still compares the thumbprint
       with the token's ``cnf.jkt``.
    7. The proof was not used before.

    :param proofs: every value of the DPoP header
    :param url: the address that was really called, as the checker knows it
    :param nonces: the checker's own; None where it hands none out, and a nonce means nothing
    :raises UseNonce: step 5 fails; the caller owes the ``DPoP-Nonce`` header
    :raises DPoPError: the first step that fails
    """
    if len(proofs) != 1 or "," in proofs[0] or len(proofs[0]) > LONGEST:
        raise DPoPError("there must be exactly one DPoP proof")
    proof = proofs[0]
    header = _header(proof)
    jkt = thumbprint(header["jwk"])
    try:
        key = jwt.PyJWK(header["jwk"], algorithm=header["alg"])
        if isinstance(key.key, RSAPublicKey) and key.key.key_size < RSA_BITS:
            raise DPoPError(f"an RSA key has at least {RSA_BITS} bits")
        claims = jwt.decode(
            proof, key, algorithms=[header["alg"]], options={"verify_iat": False, "require": ["jti", "iat"]}
        )
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        raise DPoPError("the DPoP proof is not signed by its own key") from error
    _check_claims(claims, method, url, now)
    if nonces and not nonces.fresh(claims.get("nonce"), now) and ("nonce" in claims or nonces.required):
        raise UseNonce("a fresh nonce of this server is needed")
    if access_token is not None and not hmac.compare_digest(
        str(claims.get("ath")).encode(), token_hash(access_token).encode()
    ):
        raise DPoPError("ath is not the hash of the access token")
    until = now + dt.timedelta(seconds=BEHIND + AHEAD + 1)
    if not replay.use(jkt, claims["jti"], until):
        raise DPoPError("the DPoP proof was used before")
    return jkt


def thumbprint(jwk: dict[str, Any]) -> str:
    """The SHA-256 thumbprint of a public key (RFC 7638), base64url without padding."""
    members = {name: jwk[name] for name in REQUIRED[jwk["kty"]]}
    canonical = json.dumps(members, sort_keys=True, separators=(",", ":")).encode()
    return _base64url(hashlib.sha256(canonical).digest())


def token_hash(access_token: str) -> str:
    """The ``ath`` of an access token (RFC 9449 section 4.2)."""
    return _base64url(hashlib.sha256(access_token.encode()).digest())


def _header(proof: str) -> dict[str, Any]:
    try:
        header = jwt.get_unverified_header(proof)
    except (jwt.PyJWTError, ValueError) as error:
        raise DPoPError("the DPoP proof is not a JWT") from error
    if header.get("typ") != "dpop+jwt":
        raise DPoPError("the proof's typ must be dpop+jwt")
    if header.get("alg") not in ALGORITHMS:
        raise DPoPError(f"the proof's alg must be one of {', '.join(ALGORITHMS)}")
    jwk = header.get("jwk")
    if not isinstance(jwk, dict) or str(jwk.get("kty")) not in REQUIRED:
        raise DPoPError("the proof's jwk must be a public key")
    if PRIVATE & set(jwk):
        raise DPoPError("the proof's jwk must not hold a private key")
    if not all(isinstance(jwk.get(name), str) for name in REQUIRED[jwk["kty"]]):
        raise DPoPError("the proof's jwk is not complete")
    return header


def _check_claims(claims: dict[str, Any], method: str, url: str, now: dt.datetime) -> None:
    issued, jti = claims["iat"], claims["jti"]
    if not isinstance(jti, str) or not 0 < len(jti) <= 256:
        raise DPoPError("jti must be a text of at most 256 characters")
    if not isinstance(issued, int | float) or isinstance(issued, bool) or not 0 <= issued < FAR:
        raise DPoPError("iat must be a time")
    if not -AHEAD <= now.timestamp() - issued <= BEHIND:
        raise DPoPError("the DPoP proof is too old or from the future")
    if claims.get("htm") != method:
        raise DPoPError("htm is not the request's method")
    if not isinstance(claims.get("htu"), str) or _plain(claims["htu"]) != _plain(url):
        raise DPoPError("htu is not the request's address")


def _plain(url: str) -> tuple[str, str, int | None, str]:
    """Scheme, host, port and path, normalised (RFC 3986 section 6.2.3); query and fragment don't count."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return ("", "", None, "")
    scheme = parts.scheme.lower()
    return scheme, (parts.hostname or "").lower(), port or DEFAULT_PORTS.get(scheme), parts.path or "/"


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

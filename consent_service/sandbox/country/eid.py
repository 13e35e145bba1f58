"""The test eID: a small OpenID provider (Core 1.0, code flow, PKCE) that vouches for test persons only.

It checks what a real one checks, because what we would learn from one that doesn't is wrong.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import secrets
import threading
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from flask import Blueprint, Response, jsonify, redirect, render_template, request
from jwt.algorithms import ECAlgorithm
from werkzeug.wrappers import Response as BaseResponse

from consent_service.sandbox.country.seed import Country, Person

CODE_LIFE = dt.timedelta(seconds=60)
TOKEN_LIFE = dt.timedelta(minutes=5)
PARAMETERS = (
    "response_type",
    "client_id",
    "redirect_uri",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
)
ROLE_WORDS = {
    "managing_director": "Managing director",
    "chair": "Chair of the board",
    "sole_proprietor": "Sole proprietor",
    "board_member": "Board member",
}


@dataclass(frozen=True, slots=True)
class Relying:
    """The one client of this provider."""

    client_id: str
    client_secret: str
    redirect_uris: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Code:
    person: Person
    nonce: str
    challenge: str
    redirect_uri: str
    issued_at: dt.datetime


class Provider:
    """Codes and key of one run; nothing is kept."""

    def __init__(self, issuer: str, country: Country, relying: Relying) -> None:
        self.issuer, self.country, self.relying = issuer, country, relying
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._codes: dict[str, _Code] = {}
        self._lock = threading.Lock()

    def jwks(self) -> dict[str, Any]:
        """The public key."""
        public = ECAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        return {"keys": [{**public, "kid": "test-eid", "use": "sig", "alg": "ES256"}]}

    def problem(self, asked: dict[str, str]) -> tuple[str, bool]:
        """What is wrong with an authorization request, and whether it may be sent to the redirect URI."""
        if asked.get("client_id") != self.relying.client_id:
            return "unknown client_id", False
        if asked.get("redirect_uri") not in self.relying.redirect_uris:
            return "redirect_uri is not registered", False
        if asked.get("response_type") != "code":
            return "response_type must be code", True
        if not asked.get("code_challenge") or asked.get("code_challenge_method") != "S256":
            return "PKCE with S256 is required", True
        if not asked.get("nonce") or not asked.get("state"):
            return "nonce and state are required", True
        return "", True

    def issue(self, asked: dict[str, str], person: Person, now: dt.datetime) -> str:
        """A code for a person who chose to be signed in."""
        code = secrets.token_urlsafe(32)
        with self._lock:
            self._codes[code] = _Code(
                person, asked["nonce"], asked["code_challenge"], asked["redirect_uri"], now
            )
        return code

    def redeem(self, form: dict[str, str], now: dt.datetime) -> dict[str, Any] | None:
        """An ID token for a code: known, fresh, used once, same redirect URI, right verifier; else None."""
        with self._lock:
            known = self._codes.pop(form.get("code", ""), None)
        verifier = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(verifier).rstrip(b"=").decode()
        if (
            known is None
            or form.get("grant_type") != "authorization_code"
            or now - known.issued_at > CODE_LIFE
            or form.get("redirect_uri") != known.redirect_uri
            or not hmac.compare_digest(challenge.encode(), known.challenge.encode())
        ):
            return None
        return {
            "access_token": secrets.token_urlsafe(32),
            "token_type": "Bearer",
            "expires_in": int(TOKEN_LIFE.total_seconds()),
            "id_token": self._id_token(known, now),
        }

    def _id_token(self, known: _Code, now: dt.datetime) -> str:
        claims = {
            "iss": self.issuer,
            "sub": hashlib.sha256(f"test-eid {known.person.pid}".encode()).hexdigest()[:32],
            "aud": self.relying.client_id,
            "iat": now,
            "exp": now + TOKEN_LIFE,
            "auth_time": int(now.timestamp()),
            "nonce": known.nonce,
            "acr": "test-only",
            "amr": ["test-eid"],
            "name": known.person.name,
            "birthdate": known.person.birthdate,
            "pid": known.person.pid,
            "pid_country": known.person.pid.split("-")[1],
        }
        return jwt.encode(claims, self._key, algorithm="ES256", headers={"kid": "test-eid"})


def blueprint(provider: Provider) -> Blueprint:
    """The provider's routes, below ``/eid``."""
    eid = Blueprint("eid", __name__, url_prefix="/eid", template_folder="templates", static_folder="static")

    @eid.get("/.well-known/openid-configuration")
    def configuration() -> Response:
        issuer = provider.issuer
        return jsonify(
            issuer=issuer,
            authorization_endpoint=f"{issuer}/authorize",
            token_endpoint=f"{issuer}/token",
            jwks_uri=f"{issuer}/jwks",
            response_types_supported=["code"],
            subject_types_supported=["public"],
            id_token_signing_alg_values_supported=["ES256"],
            code_challenge_methods_supported=["S256"],
            token_endpoint_auth_methods_supported=["client_secret_basic"],
            scopes_supported=["openid", "profile"],
        )

    @eid.get("/jwks")
    def jwks() -> Response:
        return jsonify(provider.jwks())

    @eid.route("/authorize", methods=["GET", "POST"])
    def authorize() -> BaseResponse | tuple[str, int] | str:
        """The list of test persons; choosing one signs in, with a plain form."""
        asked = {name: request.values.get(name, "") for name in PARAMETERS}
        wrong, may_redirect = provider.problem(asked)
        if wrong and not may_redirect:
            return render_template("eid.html", error=wrong, persons=[], asked={}), 400
        if wrong:
            return _back(asked, error="invalid_request", error_description=wrong)
        if request.method == "GET":
            return render_template("eid.html", persons=_shown(provider.country), asked=asked, error="")
        person = provider.country.persons.get(request.form.get("person", ""))
        if person is None:
            return _back(asked, error="access_denied", error_description="nobody was chosen")
        return _back(asked, code=provider.issue(asked, person, dt.datetime.now(dt.UTC)))

    @eid.post("/token")
    def token() -> Response | tuple[Response, int]:
        given = request.authorization
        pair = (given.username, given.password) if given and given.type == "basic" else (None, None)
        wanted = (provider.relying.client_id, provider.relying.client_secret)
        if not all(
            hmac.compare_digest(str(a).encode(), b.encode()) for a, b in zip(pair, wanted, strict=True)
        ):
            return jsonify(error="invalid_client"), 401
        answer = provider.redeem(request.form.to_dict(), dt.datetime.now(dt.UTC))
        if answer is None:
            return jsonify(error="invalid_grant"), 400
        response = jsonify(answer)
        response.headers["Cache-Control"] = "no-store"
        return response

    return eid


def _back(asked: dict[str, str], **answer: str) -> BaseResponse:
    answer["state"] = asked["state"]
    return redirect(f"{asked['redirect_uri']}?{urlencode(answer)}", 303)


def _shown(country: Country) -> list[dict[str, Any]]:
    return [
        {
            "id": person.id,
            "name": person.name,
            "roles": [
                f"{ROLE_WORDS.get(role.role, role.role)}, {country.organisations[role.organisation].name}"
                for role in person.roles
            ],
            "country": person.pid.split("-")[1],
        }
        for person in country.persons.values()
    ]

"""What comes next in a sign-in for a client (OpenID Connect Core section 3.1.2): pure rules.

No Flask, no SQL, no clock.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

OPENID, PROFILE, ORGANISATIONS, OFFLINE = "openid", "profile", "organisations", "offline_access"
SCOPES = (OPENID, PROFILE, ORGANISATIONS, OFFLINE)
NAME = "name"
LEARNED = {PROFILE: NAME, ORGANISATIONS: ORGANISATIONS}
"""What a client learns of the person by each scope; a claim and the scope that opens it."""
OPENERS = frozenset({OPENID, *LEARNED})
"""The scopes of which any one opens userinfo."""
SIGN_INS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "passkey": ("phr", ("pop", "user", "mfa")),
    "eid": ("", ()),
}
"""How we sign people in: the ``acr`` of each way and its ``amr`` (RFC 8176 section 2).

A passkey is a key that is proven to be held, by somebody who is there, unlocked by what they know or
are; it is resistant to phishing (``phr``, OpenID Connect Extended Authentication Profile). How an eID
signed somebody in, the eID says.
"""
KNOWN_METHODS = frozenset(
    {"face", "fpt", "geo", "hwk", "iris", "kba", "mca", "mfa", "otp", "pin", "pop", "pwd", "rba", "retina"}
    | {"sc", "sms", "swk", "tel", "user", "vbm", "wia"}
)
"""RFC 8176 section 2. What an eID says beyond these means nothing to others and is left out."""


def acr_of(how: str, issuer: str) -> str:
    """The authentication context class of a way to sign in."""
    return SIGN_INS[how][0] or f"{issuer}/acr/{how}"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a client asks to know of who answers; with ``openid`` in its scope it gets an ID token.

    ``userinfo`` and ``id_token`` are the claims asked for by name in each place (Core section 5.5);
    ``subject`` is whom it must be; ``hint`` whom the client believes it to be.
    """

    scopes: tuple[str, ...]
    userinfo: tuple[str, ...] = ()
    id_token: tuple[str, ...] = ()
    prompt: tuple[str, ...] = ()
    max_age: int | None = None
    acr_values: tuple[str, ...] = ()
    acr_essential: tuple[str, ...] = ()
    subject: str | None = None
    hint: str | None = None
    nonce: str | None = None

    @property
    def learned(self) -> frozenset[str]:
        """What the client would learn of the person, beside that it is the same one as last time."""
        named = {LEARNED[scope] for scope in self.scopes if scope in LEARNED}
        return frozenset(named | ({*self.userinfo, *self.id_token} & set(LEARNED.values())))

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Asked:
        members: dict[str, Any] = {
            name: tuple(one) if isinstance(one, list) else one for name, one in stored.items()
        }
        return cls(**members)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """How the person of a browser signed in.

    ``subject`` is the client's name for the person; ``fresh`` says that they signed in after this
    client had sent them here.
    """

    person_id: str
    at: dt.datetime
    acr: str
    amr: tuple[str, ...]
    subject: str
    fresh: bool


@dataclass(frozen=True, slots=True)
class Remembered:
    """What a person lets a client learn without being asked again, until then."""

    scopes: tuple[str, ...]
    learned: tuple[str, ...]
    organisations: tuple[str, ...]
    until: dt.datetime

    def covers(self, asked: Asked, now: dt.datetime) -> bool:
        """Whether nothing is asked for that was not agreed to."""
        return (
            now < self.until
            and set(asked.scopes) <= set(self.scopes)
            and asked.learned <= frozenset(self.learned)
        )


class Step(StrEnum):
    """What the browser is shown next."""

    SIGN_IN = "sign_in"
    ASK = "ask"
    GIVE = "give"
    """Nothing: what was agreed to before is given again."""
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Next:
    """A step; a refusal has the error code of Core section 3.1.2.6 and a sentence."""

    step: Step
    error: str = ""
    text: str = ""


def next_step(asked: Asked, who: SignedIn | None, remembered: Remembered | None, now: dt.datetime) -> Next:
    """What comes next (Core sections 3.1.2.1 to 3.1.2.4, 5.5.1.1).

    1. Nobody is signed in: sign in.
    2. Somebody else is signed in than the one who must be: sign in; having done so, it is an error.
    3. Somebody else than the client believes: sign in, once.
    4. A fresh sign-in is asked for (``prompt=login``), or the last one is too old (``max_age``).
    5. An essential ``acr`` is not met: sign in another way; having done so, it is an error.
    6. What was agreed to before covers it, and the person is not to be asked again: give.
    7. Otherwise ask. With ``prompt=none`` each of these is an error instead.
    """
    silent = "none" in asked.prompt

    def sign_in(error: str, text: str, *, final: bool = False) -> Next:
        return Next(Step.REFUSE, error, text) if silent or final else Next(Step.SIGN_IN)

    if who is None:
        return sign_in("login_required", "nobody is signed in")
    if asked.subject is not None and asked.subject != who.subject:
        return sign_in("login_required", "another person is signed in", final=who.fresh)
    if asked.hint is not None and asked.hint != who.subject and not who.fresh:
        return sign_in("account_selection_required", "another person than the hinted one is signed in")
    too_old = asked.max_age is not None and now - who.at > dt.timedelta(seconds=asked.max_age)
    if ("login" in asked.prompt or too_old) and not who.fresh:
        return sign_in("login_required", "the person must sign in again")
    if asked.acr_essential and who.acr not in asked.acr_essential:
        code = "unmet_authentication_requirements"
        return sign_in(code, "the person did not sign in by one of the acr values", final=who.fresh)
    again = {"consent", "select_account"} & set(asked.prompt)
    if remembered is not None and remembered.covers(asked, now) and not again:
        return Next(Step.GIVE)
    if silent:
        return Next(Step.REFUSE, "consent_required", "the person has not agreed to this yet")
    return Next(Step.ASK)

"""tls_client_auth and self_signed_tls_client_auth: a client is who its certificate says (RFC 8705 section 2).

That the client has the certificate's private key, TLS has checked on this very connection
(``listener/context.py``). What is left is whose certificate it is.
"""

from __future__ import annotations

from flask import request

from consent_service.config import Settings
from consent_service.oauth.attempt import Attempt
from consent_service.registry.metadata import TLS_NAMES
from consent_service.registry.model import AuthMethod, Client
from consent_service.web import certificate
from consent_service.web.certificate_names import Authorities, bears
from consent_service.web.current import current, optional


def is_shown(attempt: Attempt) -> bool:
    """Whether the request relies on its certificate: it states a client, and shows nothing else for it.

    A certificate beside another credential binds tokens and authenticates nobody. The certificate
    itself is looked at only where a client states one (section 2): a browser may show one of its own.
    """
    others = {"client_assertion", "client_assertion_type", "client_secret"} & set(attempt.form)
    if others or "Authorization" in request.headers or "client_id" not in attempt.form:
        return False
    return certificate.presented(current(Settings)) is not None


def by_authority(attempt: Attempt) -> Client | None:
    """The client that ``client_id`` names, if an authority of the operator's vouches (section 2.1).

    1. The client is registered for this method, and the operator has named authorities.
    2. The key is of a strength that FAPI 2.0 takes (section 5.4.1).
    3. The certificate bears the one name that the client registered (section 2.1.2).
    4. A chain of signatures leads from it to an authority, valid at this moment.
    """
    client, shown = attempt.client(attempt.form.get("client_id")), certificate.presented(current(Settings))
    authorities = optional(Authorities)
    if client is None or shown is None or authorities is None:
        return None
    if client.auth_method is not AuthMethod.TLS_CLIENT_AUTH or not certificate.strong(shown):
        return None
    named = [(kind, str(client.metadata[kind])) for kind in TLS_NAMES if kind in client.metadata]
    try:
        fits = len(named) == 1 and bears(shown, *named[0])
    except ValueError:  # the certificate's own names can't be read
        return None
    return client if fits and authorities.vouch_for(shown, attempt.now) else None


def self_signed(attempt: Attempt) -> Client | None:
    """The client that ``client_id`` names, if this very certificate is among its keys (section 2.2).

    1. The client is registered for this method.
    2. The key is of a strength that FAPI 2.0 takes, and the certificate is of this time.
    3. A key of the client's JWKS names the certificate (section 2.2.2).
    """
    client, shown = attempt.client(attempt.form.get("client_id")), certificate.presented(current(Settings))
    if client is None or shown is None or client.auth_method is not AuthMethod.SELF_SIGNED_TLS_CLIENT_AUTH:
        return None
    in_time = shown.not_valid_before_utc <= attempt.now <= shown.not_valid_after_utc
    if not in_time or not certificate.strong(shown):
        return None
    return client if certificate.in_jwks(shown, client.jwks) else None

"""Less than the grant: what a token request asks for of it, and what a token carries of it.

RFC 9396 section 6 (``authorization_details`` at the token endpoint) and RFC 8707 section 2.2
(``resource``). Both only ever take away.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from flask import request
from sqlalchemy.orm import Session

from consent_service.errors import ServiceError
from consent_service.grants import agreement, store
from consent_service.grants.merging import common
from consent_service.grants.model import Grant, Terms, terms_from_json
from consent_service.grants.schemas import details_object, terms_of
from consent_service.registry.tokens import Token


def of_request(
    session: Session, grant: Grant, now: dt.datetime, *, within: tuple[str, ...] = ()
) -> Terms | None:
    """What of a grant the present token request asks for; None is all of it.

    1. At most the locations to which the authorization request kept itself.
    2. ``authorization_details`` gives nothing that the grant does not.
    3. Each ``resource`` is one of the locations that are left.

    :param within: those locations; none is all
    :raises ServiceError: ``invalid_authorization_details``, ``invalid_target``
    """
    terms = _at(grant.terms, within) if within else grant.terms
    if "authorization_details" in request.form:
        terms = _details(session, grant, terms, request.form["authorization_details"], now)
    if resources := request.form.getlist("resource"):
        if not set(resources) <= set(terms.locations):
            raise _target()
        terms = _at(terms, resources)
    return terms if terms != grant.terms else None


def of_sign_in(userinfo: str) -> None:
    """A sign-in gives no data, so there is nothing to take away from it.

    :param userinfo: the address of what it opens
    :raises ServiceError: ``invalid_authorization_details``, ``invalid_target``
    """
    if not set(request.form.getlist("resource")) <= {userinfo}:
        raise ServiceError("invalid_target", "a sign-in opens userinfo alone")
    if "authorization_details" in request.form:
        raise ServiceError("invalid_authorization_details", "no data was asked for")


def at_place(session: Session, grant: Grant, terms: Terms, location: str, now: dt.datetime) -> Terms:
    """What a token carries, at another of the grant's locations; less where the request asks for less.

    :raises ServiceError: ``invalid_authorization_details``
    """
    moved = replace(terms, locations=(location,))
    if "authorization_details" not in request.form:
        return moved
    return _details(session, grant, moved, request.form["authorization_details"], now)


def carried(session: Session, grant: Grant, token: Token) -> Terms | None:
    """What a token is good for now: what it was given with, as far as the grant still gives it.

    A refresh token is good for all that the grant gives now, at the locations that it is kept to.

    :return: None where nothing is left
    """
    if token.kind == "refresh_token":
        left = [one for one in grant.terms.locations if one in token.audience or not token.audience]
        return replace(grant.terms, locations=tuple(left)) if left else None
    if token.narrowed:
        return common(grant.terms, terms_from_json(dict(token.narrowed)))
    if token.grant_version in {None, grant.version}:
        return grant.terms
    given = store.version(session, grant.owner, grant.grant_id, token.grant_version or 0)
    return common(grant.terms, given.terms) if given else None


def _details(session: Session, grant: Grant, terms: Terms, text: str, now: dt.datetime) -> Terms:
    document = details_object(text)
    if document.pop("grant_id", grant.grant_id) != grant.grant_id:  # as a token response has it
        raise ServiceError("invalid_authorization_details", "grant_id is another grant's")
    asked = terms_of(document, agreement.agreements().catalogue(session))
    asked = replace(asked, owner=asked.owner or grant.owner, message=asked.message or terms.message)
    if not asked.narrower_or_equal(terms) or asked.access.valid_until <= now:
        raise ServiceError("invalid_authorization_details", "this is more than the grant gives")
    return asked


def _at(terms: Terms, locations: list[str] | tuple[str, ...]) -> Terms:
    left = tuple(one for one in terms.locations if one in locations)
    if not left:
        raise _target()
    return replace(terms, locations=left)


def _target() -> ServiceError:
    return ServiceError("invalid_target", "resource is not one of the locations of the grant")

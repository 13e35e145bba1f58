"""The sandbox register's adapter: the programme's ``/v2`` words over HTTP."""

from __future__ import annotations

from typing import Any

import httpx2

from consent_service.errors import ServiceError
from consent_service.registry import identifiers
from consent_service.registry.model import NationalIdentity, OrganisationRole, RegisteredRole
from consent_service.registry.registers.base import RegisterUnavailable

TIMEOUT = 3.0  # seconds
ROLES = {role.value for role in OrganisationRole}


class SandboxRegister:
    """Asks the sandbox register at ``url``."""

    name = "the sandbox register"

    def __init__(self, url: str) -> None:
        self._client = httpx2.Client(base_url=url, timeout=TIMEOUT)

    def organisation_name(self, identifier: str) -> str | None:
        answer = self._ask("GET", f"/v2/legal-entities/{identifier}")
        if answer is None or answer.get("status") != "registered":
            return None
        return str(answer["name"])

    def roles_of(self, identity: NationalIdentity) -> list[RegisteredRole]:
        # By POST, so that no national number stands in anybody's access log.
        answer = self._ask("POST", "/v2/signatory-rights/search", {"person": identity.person_number})
        try:
            return [
                RegisteredRole(
                    identifiers.parse(right["legal_entity"]["identifier"]["ID"]),
                    str(right["legal_entity"]["name"]),
                    OrganisationRole(role),
                )
                for right in (answer or {"signatory_rights": []})["signatory_rights"]
                if right["legal_entity"]["status"] == "registered"
                for role in right["roles"]
                if role in ROLES
            ]
        except (KeyError, TypeError, ServiceError) as error:
            raise RegisterUnavailable(self.name, f"unexpected answer: {error!r}") from error

    def _ask(self, method: str, path: str, body: dict[str, str] | None = None) -> dict[str, Any] | None:
        try:
            response = self._client.request(method, path, json=body)
            if response.status_code == httpx2.codes.NOT_FOUND:
                return None
            response.raise_for_status()
            document = response.json()
        except (httpx2.HTTPError, ValueError) as error:
            raise RegisterUnavailable(self.name, repr(error)) from error
        if not isinstance(document, dict):
            raise RegisterUnavailable(self.name, "the answer is not an object")
        return document

"""What a reason says, in the languages that the policy set has.

English stands in the policies themselves (``@explanation``); ``texts/<language>.yaml`` has the
others, by policy id. What can be done about a refusal is said once for all policies that name it.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from consent_service.grants.catalogue import read_yaml

FOLDER, FALLBACK = "texts", "en"
MENDS = {
    "request_grant": "Ask the owner for a grant, by a pushed authorization request.",
    "change_request": "Ask for what the grant, the purpose and the law allow.",
    "retry_later": "Ask again when the present window or the disturbance is over.",
    "wait": "Wait; the owner and the operator are told.",
    "get_licence": "Have the operator record the licence, with the authority that gave it.",
    "record_owner": "Have the operator record that the data holder serves this business.",
    "sign_in_again": "The person signs in again and answers anew.",
}
"""What would make it pass, by the name that policies give in ``@mend``, in English."""


@dataclass(frozen=True, slots=True)
class Texts:
    """Sentences by language (ISO 639-1) and policy id."""

    by_language: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @classmethod
    def load(cls, directory: Path, policies: AbstractSet[str]) -> Texts:
        """Read ``texts/*.yaml``; a policy directory without them speaks English.

        :param policies: the ids that there are
        :raises ValueError: a file that can't be read, or a text of a policy that is not there
        """
        found: dict[str, dict[str, str]] = {}
        for path in sorted((directory / FOLDER).glob("*.yaml")):
            try:
                document = read_yaml(path)
                said = {str(name): " ".join(str(text).split()) for name, text in document.items()}
            except (OSError, ValueError, yaml.YAMLError, AttributeError) as error:
                raise ValueError(f"{path.name} must be a mapping of policy ids to texts") from error
            if unknown := said.keys() - policies - MENDS.keys():
                raise ValueError(f"{path.name} has a text for {min(unknown)}, which is no policy")
            found[path.stem] = said
        return cls(found)

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages that there are, English first."""
        return (FALLBACK, *self.by_language)

    def reason(self, policy: str, english: str, language: str) -> str:
        """What a policy says in this language; in English where it has no words for it."""
        return self.by_language.get(language, {}).get(policy, english)

    def mend(self, name: str, language: str) -> str:
        """What can be done about it; "" where nothing can."""
        return self.by_language.get(language, {}).get(name) or MENDS.get(name, "")

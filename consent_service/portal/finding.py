"""Finding a grant in a long list: by words, by party, by what it is about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LONGEST = 100


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an owner looks for; an empty member asks for nothing."""

    words: str = ""
    party: str = ""

    @classmethod
    def of(cls, fields: Mapping[str, str]) -> Wanted:
        """From the fields of the page's address."""
        return cls(fields.get("q", "").strip()[:LONGEST], fields.get("party", "")[:LONGEST])

    def __bool__(self) -> bool:
        return bool(self.words or self.party)

    def fits(self, grant: Mapping[str, Any]) -> bool:
        """Whether a grant as shown is of this party, and every word stands somewhere in its card."""
        number = str(grant["party"]).partition(":")[2]
        said = " ".join(
            [
                grant["party_name"],
                grant["purpose_name"],
                *grant["data_set_names"],
                number,
                grant["grant_id"],
                grant["status_text"],
            ]
        ).casefold()
        return self.party in {"", grant["party"]} and all(
            one in said for one in self.words.casefold().split()
        )


def in_tab(grant: Mapping[str, Any], tab: str) -> bool:
    """Whether a grant as shown belongs to ``active``, ``ended`` or ``all``."""
    return tab == "all" or grant["open"] is (tab == "active")

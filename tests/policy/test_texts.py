"""Reasons in six languages: nothing is missing, nothing is left over."""

from __future__ import annotations

from pathlib import Path

import pytest

from consent_service.config import POLICIES
from consent_service.policy.engine import NO_GRANT, OWN, PolicyError, PolicySet
from consent_service.policy.texts import MENDS

PUBLISHED = PolicySet.load(POLICIES)
ENGLISH = {reason.policy: reason.text for reason in PUBLISHED.reasons.values()} | MENDS


def test_the_languages_are_those_of_the_five_countries_and_english() -> None:
    assert set(PUBLISHED.texts.languages) == {"en", "nb", "sv", "da", "fi", "is"}


@pytest.mark.parametrize("language", sorted(PUBLISHED.texts.by_language))
def test_every_reason_has_its_words_in_every_language(language: str) -> None:
    said = PUBLISHED.texts.by_language[language]
    assert said.keys() == ENGLISH.keys() | OWN
    for name, text in said.items():
        assert text.endswith("."), name
        assert 10 < len(text) <= 170, name
        assert text != ENGLISH.get(name), name
    # Two reasons never say the same, or nobody could tell which it was.
    assert len(set(said.values())) == len(said)


def test_what_no_language_has_is_said_in_english() -> None:
    assert PUBLISHED.texts.reason("no-grant", NO_GRANT.text, "de") == NO_GRANT.text
    assert PUBLISHED.texts.mend("wait", "de") == MENDS["wait"]
    assert PUBLISHED.texts.mend("", "nb") == ""


@pytest.mark.parametrize("text", ["{", "[1]", "no-such-policy: Text.", "5", "one: A.\none: B."])
def test_a_wrong_file_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "schema.cedarschema").write_text(
        "entity u; entity d; action read appliesTo { principal: [u], resource: [d] };"
    )
    (tmp_path / "a.cedar").write_text('@id("one")permit (principal, action, resource);')
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "nb.yaml").write_text(text)
    with pytest.raises(PolicyError, match=r"nb\.yaml"):
        PolicySet.load(tmp_path)


def test_every_refusal_says_what_can_be_done_unless_nothing_can() -> None:
    without = {reason.policy for reason in PUBLISHED.reasons.values() if not reason.mend}
    assert without == {"grant-allows-read", "terms-may-be-agreed", "party-active", "holder-active"}

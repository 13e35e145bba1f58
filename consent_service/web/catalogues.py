"""The translations, read from their PO files: what people edit is what runs (ADR 25)."""

from __future__ import annotations

from functools import cache
from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from consent_service.web.languages import ENGLISH

TRANSLATIONS = Path(__file__).parents[1] / "translations"


def path(language: str) -> Path:
    """Where a language's sentences are."""
    return TRANSLATIONS / language / "LC_MESSAGES" / "messages.po"


@cache
def catalogue(language: str) -> NullTranslations:
    """A language's sentences, compiled in memory once a process; English stands in the code."""
    if language == ENGLISH:
        return NullTranslations()
    with path(language).open("rb") as file:
        sentences = read_po(file, locale=language)
    compiled = BytesIO()
    write_mo(compiled, sentences)
    compiled.seek(0)
    return GNUTranslations(compiled)

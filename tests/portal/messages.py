"""The sentences that a person can read, taken out of the code, and the catalogues held against them.

``make messages`` runs this: it puts new sentences into each PO file, empty, and takes out what is gone.
"""

from __future__ import annotations

import gettext
import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po, write_po

from consent_service.web.catalogues import path
from consent_service.web.languages import ENGLISH, LANGUAGES

ROOT = Path(__file__).parents[2]
CODE = ROOT / "consent_service"
OUTSIDE = {"sandbox", "verifier", "listener", "commands"}
"""Programs and libraries of their own; their pages and errors are not ours."""
MARKED = {"_": None, "gettext": None, "ngettext": (1, 2), "pgettext": ((1, "c"), 2), "said": None}
HEADER = """msgid ""
msgstr ""
"Language: {language}\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"
"Plural-Forms: nplurals=2; plural={plural};\\n"

"""
READ_BY_PEOPLE = (
    "grants/objections.py",
    "grants/offers.py",
    "grants/owning.py",
    "grants/records.py",
    "grants/service.py",
    "ledger/erasure.py",
    "ledger/prove.py",
    "oauth/authorize.py",
    "oauth/logout.py",
    "registry/eid.py",
    "registry/passkeys.py",
    "registry/people.py",
)
"""Whose refusals end on a page; those of all other files go to programs, in English."""
TRANSLATED = [one for one in LANGUAGES if one != ENGLISH]


def extracted() -> Catalog:
    """All sentences as they stand in the code now."""
    catalogue = Catalog(charset="utf-8")
    for file in sorted(CODE.rglob("*")):
        inside = file.relative_to(CODE)
        if inside.parts[0] in OUTSIDE or file.suffix not in {".py", ".html"}:
            continue
        place = str(file.relative_to(ROOT))
        for _line, message, _comments, context in _of_file(file, str(inside)):
            catalogue.add(message, None, [(place, 1)], context=context)
    return catalogue


def _of_file(file: Path, inside: str) -> Iterator[tuple]:
    keywords = MARKED | ({"ServiceError": (2,)} if inside in READ_BY_PEOPLE else {})
    if file.suffix == ".html":
        yield from extract_from_file(
            "jinja2", file, keywords, options={"silent": "false", "newstyle_gettext": "true"}
        )
    else:
        yield from extract_from_file("python", file, keywords)


def stored(language: str) -> Catalog:
    """A language's PO file as it is."""
    with path(language).open("rb") as file:
        return read_po(file, locale=language)


def faults(catalogue: Catalog, template: Catalog) -> list[str]:
    """What is wrong with a language's sentences, held against those in the code; empty where nothing is."""
    wanted = {(one.context, one.id) for one in template if one.id}
    there = {(one.context, one.id): one for one in catalogue if one.id}
    found = [f"missing: {id_}" for _context, id_ in wanted - there.keys()]
    found += [f"no longer in the code: {id_}" for _context, id_ in there.keys() - wanted]
    found += [f"kept, and no longer in the code: {one}" for one in catalogue.obsolete]
    for message in there.values():
        found += [f"{wrong}: {message.id}" for wrong in _faults_of(message, catalogue)]
    return sorted(found)


def _faults_of(message: Message, catalogue: Catalog) -> Iterator[str]:
    if message.fuzzy:
        yield "fuzzy"
    said = message.string if isinstance(message.string, tuple) else (message.string,)
    if not all(said):
        yield "not translated"
        return
    originals = message.id if isinstance(message.id, tuple) else (message.id,)
    if len(originals) == 1:
        wanted = [_marks(originals[0])]
    else:
        # "One grant" may leave the number out, but only in a form that stands for nothing but one.
        plural = gettext.c2py(catalogue.plural_expr)
        alone = [number for number in range(1000) if plural(number) == 0] == [1]
        wanted = [_marks(originals[0] if alone else originals[1])] + [_marks(originals[1])] * (len(said) - 1)
        if len(said) != catalogue.num_plurals:
            yield "wrong number of forms"
            return
    for form, marks in zip(said, wanted, strict=True):
        if _marks(form) != marks:
            yield f"other placeholders or tags in {form!r}"
        if form.strip() != form or (form[-1:] in "…:" and originals[-1][-1:] not in "…:"):
            yield f"another beginning or end in {form!r}"


def _marks(text: str) -> list[str]:
    """Placeholders, stray per cent signs and tags."""
    return sorted(re.findall(r"%\(\w+\)[a-z]|%|</?\w+[^>]*>", text))


def update() -> None:
    """Bring the PO files up to the code; a new sentence stands there untranslated, and the test says so."""
    now = extracted()
    for language in TRANSLATED:
        there = stored(language) if path(language).exists() else Catalog(locale=language)
        there.update(now, no_fuzzy_matching=True)
        there.obsolete.clear()
        write(language, there)


def write(language: str, catalogue: Catalog) -> None:
    """Write a language's PO file, the same bytes for the same sentences."""
    text = BytesIO()
    write_po(text, catalogue, width=0, omit_header=True, include_lineno=False, sort_by_file=True)
    path(language).parent.mkdir(parents=True, exist_ok=True)
    path(language).write_bytes(
        HEADER.format(language=language, plural=catalogue.plural_expr).encode() + text.getvalue()
    )


if __name__ == "__main__":
    update()

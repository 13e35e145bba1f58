"""Six languages: each sentence, date and number; the person's choice, then the request's, then the browser's."""

from __future__ import annotations

import datetime as dt
import re

import pytest
from babel.messages.catalog import Catalog
from babel.messages.plurals import get_plural
from flask.testing import FlaskClient
from lxml import html
from werkzeug.test import TestResponse

from consent_service.web.catalogues import catalogue
from consent_service.web.languages import LANGUAGES, first
from consent_service.web.texts import format_date, format_datetime, format_number, ngettext
from tests.oauth.relying import Relying
from tests.portal import messages
from tests.world import World, csrf

HTML = {"Accept": "text/html"}
HELLO = {"nb": "Logg inn", "sv": "Logga in", "da": "Log ind", "fi": "Kirjaudu sisään", "is": "Innskráning"}


def lang(page: TestResponse) -> str:
    """The language that a page says it is in, in both places."""
    found = re.search(r'<html lang="(\w+)">', page.text)
    assert found
    assert page.headers["Content-Language"] == found.group(1)
    return found.group(1)


def choose(browser: FlaskClient, language: str, page: str = "/sign-in") -> TestResponse:
    token = csrf(browser.get(page, headers=HTML))
    return browser.post("/language", data={"csrf_token": token, "language": language, "next": page})


@pytest.fixture(scope="module")
def template() -> Catalog:
    return messages.extracted()


@pytest.mark.parametrize("language", messages.TRANSLATED)
def test_every_sentence_is_there_in_every_language(language: str, template: Catalog) -> None:
    assert len(template) > 400
    assert not messages.faults(messages.stored(language), template), "make messages, then translate"


@pytest.mark.parametrize("language", messages.TRANSLATED)
def test_the_plural_rule_is_the_languages_own(language: str) -> None:
    stored = messages.stored(language)
    assert (stored.num_plurals, stored.plural_expr) == get_plural(language)[:2]


def test_faults_are_found() -> None:
    template, stored = Catalog(), Catalog(locale="is")
    for one in ("gone", "empty %(x)s", "fuzzy", "mark %(x)s", "tag <b>x</b>", "100 %%", ("One", "%(num)d")):
        template.add(one)
    stored.add("old", "old")
    stored.add("empty %(x)s", "")
    stored.add("fuzzy", "fuzzy", flags=["fuzzy"])
    stored.add("mark %(x)s", "%(y)s")
    stored.add("tag <b>x</b>", "<i>x</i>")
    stored.add("100 %%", "100 %")
    stored.add(("One", "%(num)d"), ("Ein", "%(num)d"))
    found = messages.faults(stored, template)
    for start in ("missing: gone", "no longer in the code: old", "not translated: empty", "fuzzy: fuzzy"):
        assert any(one.startswith(start) for one in found), start
    wrong = [one for one in found if one.startswith("other placeholders")]
    assert len(wrong) == 4, "placeholder, tag, per cent sign, and 21 in Icelandic is not one"


def test_the_files_are_as_make_messages_writes_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("messages")
    before = {one: messages.path(one).read_bytes() for one in messages.TRANSLATED}
    for one, text in before.items():
        (folder / f"{one}.po").write_bytes(text)
    monkeypatch.setattr(messages, "path", lambda language: folder / f"{language}.po")
    messages.update()
    assert {one: (folder / f"{one}.po").read_bytes() for one in messages.TRANSLATED} == before


@pytest.mark.parametrize(
    ("accepted", "spoken"),
    [
        ("nb-NO,nb;q=0.9,no;q=0.8,en;q=0.7", "nb"),
        ("no", "nb"),
        ("nn-NO", "nb"),
        ("fi-FI", "fi"),
        ("sv-FI,fi;q=0.9", "sv"),
        ("de-DE, da;q=0.5, en;q=0.4", "da"),
        ("is;q=0, fi;q=0.1", "fi"),
        ("en-GB,nb;q=0.9", "en"),
        ("de", "en"),
        ("*", "en"),
        ("", "en"),
        ("x" * 300, "en"),
    ],
)
def test_the_first_of_the_browsers_languages_that_there_is(world: World, accepted: str, spoken: str) -> None:
    page = world.app.test_client().get("/sign-in", headers=HTML | {"Accept-Language": accepted})
    assert lang(page) == spoken
    assert "Accept-Language" in page.headers["Vary"]


@pytest.mark.parametrize("language", messages.TRANSLATED)
def test_a_choice_counts_at_once_against_the_browsers_language(world: World, language: str) -> None:
    browser = world.app.test_client()
    answer = choose(browser, language)
    assert (answer.status_code, answer.location) == (303, "/sign-in")
    page = browser.get("/sign-in", headers=HTML | {"Accept-Language": "en"})
    assert lang(page) == language
    assert f"<h1>{HELLO[language]}</h1>" in page.text
    assert re.search(f'value="{language}" lang="{language}"[^>]*aria-current="true"', page.text)


def test_each_language_is_offered_under_its_own_name(world: World) -> None:
    page = world.app.test_client().get("/sign-in", headers=HTML).text
    for tag, name in LANGUAGES.items():
        assert re.search(
            f'<button type="submit" name="language" value="{tag}" lang="{tag}"[^>]*>{name}<', page
        )


def test_a_persons_choice_counts_at_later_sign_ins_elsewhere(both_worlds: World) -> None:
    world = both_worlds
    browser = world.sign_in()
    choose(browser, "fi", "/account")
    assert lang(browser.get("/account", headers=HTML)) == "fi"
    assert lang(world.sign_in().get("/", headers=HTML)) == "fi"
    assert lang(world.sign_in("odd").get("/", headers=HTML)) == "en", "it is one person's choice"


def test_a_choice_before_signing_in_is_the_persons_from_then_on(world: World) -> None:
    browser = world.app.test_client()
    choose(browser, "is")
    world.sign_in_again(browser)
    assert lang(world.sign_in().get("/", headers=HTML)) == "is"


def test_whoever_comes_next_in_the_same_browser_has_chosen_nothing(world: World) -> None:
    browser = world.sign_in()
    choose(browser, "sv", "/account")
    browser.post("/sign-out", data={"csrf_token": csrf(browser.get("/account"))})
    out = browser.get("/sign-in", headers=HTML)
    assert lang(out) == "sv"
    assert "Du är utloggad" in out.text
    world.sign_in_again(browser, "odd")
    assert lang(world.sign_in("odd").get("/", headers=HTML)) == "en"


def test_somebody_else_who_signs_in_over_a_session_has_chosen_nothing(world: World) -> None:
    browser = world.sign_in()
    choose(browser, "sv", "/account")
    world.sign_in_again(browser, "odd")
    assert lang(world.sign_in("odd").get("/", headers=HTML)) == "en"


@pytest.mark.parametrize("language", ["de", "", "en\x00", None])
def test_a_language_that_there_is_not_is_refused(world: World, language: str | None) -> None:
    browser = world.app.test_client()
    token = csrf(browser.get("/sign-in", headers=HTML))
    filled = {"csrf_token": token} | ({"language": language} if language is not None else {})
    assert browser.post("/language", data=filled, headers=HTML).status_code == 400


def test_choosing_a_language_leads_nowhere_else(world: World) -> None:
    browser = world.app.test_client()
    for target in ("https://evil.example", "//evil.example", "/\\evil.example", ""):
        token = csrf(browser.get("/sign-in", headers=HTML))
        sent = {"csrf_token": token, "language": "nb", "next": target}
        assert browser.post("/language", data=sent).location == "/"


def test_a_choice_without_the_csrf_token_is_none(world: World) -> None:
    browser = world.app.test_client()
    browser.get("/sign-in", headers=HTML)
    assert browser.post("/language", data={"language": "nb"}, headers=HTML).status_code == 400
    assert lang(browser.get("/sign-in", headers=HTML)) == "en"


def test_where_a_forms_answer_would_be_lost_no_language_is_offered(world: World) -> None:
    browser = world.sign_in()
    path, page = world.open_request(browser, world.bank.push())
    refused = browser.post(f"{path}/answer", data={"csrf_token": csrf(page), "answer": "ask"}, headers=HTML)
    assert refused.status_code == 400
    assert 'name="language"' in page.text
    assert 'name="language"' not in refused.text


def test_ui_locales_of_a_pushed_request_speaks_on_its_pages(both_worlds: World) -> None:
    browser = both_worlds.sign_in()
    _path, page = both_worlds.open_request(browser, both_worlds.bank.push(ui_locales="se fi-FI nb"))
    assert lang(page) == "fi"
    assert "haluaa lukea" in page.text
    assert "2 tietoaineistoa" in page.text
    assert "Koetase" in page.text
    _path, page = both_worlds.open_request(browser, both_worlds.bank.push())
    assert lang(page) == "en", "it is that request's language, not the browser's"


def test_ui_locales_ends_with_the_request(world: World) -> None:
    browser = world.sign_in()
    world.approve(browser, world.bank.push(ui_locales="nb"))
    assert lang(browser.get("/", headers=HTML)) == "en"


def test_a_persons_choice_counts_more_than_ui_locales(world: World) -> None:
    browser = world.sign_in()
    choose(browser, "da", "/account")
    _path, page = world.open_request(browser, world.bank.push(ui_locales="fi"))
    assert lang(page) == "da"


def test_ui_locales_counts_for_a_sign_in_and_for_signing_out(world: World) -> None:
    relying = Relying.register(world)
    page = relying.leave(world.app.test_client(), ui_locales="is en")
    assert lang(page) == "is"
    browser = world.sign_in()
    out = browser.get("/oauth/logout?ui_locales=sv", headers=HTML)
    assert lang(browser.get(out.location, headers=HTML)) == "sv"


def test_the_metadata_lists_the_languages(world: World) -> None:
    document = world.app.test_client().get("/.well-known/openid-configuration").json
    assert document["ui_locales_supported"] == list(LANGUAGES)


def test_errors_are_in_the_readers_language(world: World) -> None:
    browser = world.sign_in()
    choose(browser, "nb", "/account")
    nowhere = browser.get("/nothing", headers=HTML)
    assert (nowhere.status_code, lang(nowhere)) == (404, "nb")
    assert "Her er det ingenting" in nowhere.text
    assert "Det finnes ingen slik tillatelse." in browser.get("/grants/none", headers=HTML).text
    used = browser.get(
        "/oauth/authorize?client_id=x&request_uri=urn:ietf:params:oauth:request_uri:x", headers=HTML
    )
    assert "Denne lenken er ikke gyldig." in used.text
    refused = browser.post(
        "/sign-in/passkey", json={}, headers={"X-CSRFToken": csrf(browser.get("/account"))}
    )
    assert refused.headers["Content-Language"] == "nb"
    assert "passnøkkel" in refused.json["detail"].lower()


def test_programs_that_name_no_language_get_english(world: World) -> None:
    answer = world.app.test_client().get("/nothing")
    assert (answer.json["title"], answer.headers["Content-Language"]) == ("Not Found", "en")


@pytest.mark.parametrize(
    ("language", "day", "moment", "number"),
    [
        ("en", "12 March 2026", "12 March 2026, 14:05", "12,345"),
        ("nb", "12. mars 2026", "12. mars 2026 kl. 14:05", "12\xa0345"),
        ("sv", "12 mars 2026", "12 mars 2026 kl. 14:05", "12\xa0345"),
        ("da", "12. marts 2026", "12. marts 2026 kl. 14.05", "12.345"),
        ("fi", "12. maaliskuuta 2026", "12. maaliskuuta 2026 klo 14.05", "12\xa0345"),
        ("is", "12. mars 2026", "12. mars 2026 kl. 14:05", "12.345"),
    ],
)
def test_dates_and_numbers_are_written_as_people_write_them(
    world: World, language: str, day: str, moment: str, number: str
) -> None:
    with world.app.test_request_context("/healthz", headers={"Accept-Language": language}):
        at = dt.datetime(2026, 3, 12, 14, 5, tzinfo=dt.UTC)
        assert (format_date(at), format_datetime(at), format_number(12345)) == (day, moment, number)
        assert number in ngettext("Read once", "Read %(num)d times", 12345)


@pytest.mark.parametrize(
    ("language", "number", "said"),
    [
        ("nb", 1, "Lest én gang"),
        ("nb", 21, "Lest 21 ganger"),
        ("fi", 0, "Luettu 0 kertaa"),
        ("is", 1, "Lesið 1 sinni"),
        ("is", 11, "Lesið 11 sinnum"),
        ("is", 21, "Lesið 21 sinni"),
        ("is", 1001, "Lesið 1.001 sinni"),
    ],
)
def test_plurals_follow_the_language(world: World, language: str, number: int, said: str) -> None:
    with world.app.test_request_context("/healthz", headers={"Accept-Language": language}):
        assert ngettext("Read once", "Read %(num)d times", number) == said


def test_what_is_empty_stays_empty_in_every_language() -> None:
    assert first([]) is None
    assert first(["", "-", "NB_no"]) == "nb"
    assert catalogue("nb").gettext("Not a sentence of ours") == "Not a sentence of ours"


ENGLISH = re.compile(
    r"\b(the|you|your|and|may|read|until|from|with|this|that|what|who|when|every|sign|take|nothing)\b",
    re.IGNORECASE,
)
"""Words that nearly every English sentence here has, and no sentence of the other languages."""
BY_OTHERS = (
    "//bdi",
    "//blockquote",
    "//form[@class='languages']",
    "//*[contains(@class, 'code')]",
    "//noscript/code",
)
"""What others wrote, records word for word, and the languages' own names."""


@pytest.mark.parametrize("language", messages.TRANSLATED)
def test_no_english_is_left_on_any_page(world: World, language: str) -> None:
    browser = world.sign_in()
    choose(browser, language, "/account")
    pushed = world.bank.push()
    path, request = world.open_request(browser, pushed)
    wrong = world.answer(browser, path, request, datatypes=[], frequency="99", period_from="x")
    token = world.grant(browser=browser)
    assert world.decide(token)["decision"]
    assert not world.decide(token, data_set="general_ledger")["decision"]
    grant = f"/grants/{token['grant_id']}"
    browser.get(grant)
    entry = re.search(r"/activity/([0-9a-f-]{36})/proof", browser.get("/activity").text)
    assert entry
    seen = [
        *("/", "/grants", "/grants?show=ended", "/grants?q=x", "/data-sets", "/activity", "/account"),
        *("/offers", "/offers/new", "/offers/new?party=0192:310041238&purpose=credit_assessment", "/stop"),
        *(
            grant,
            f"{grant}/change",
            f"{grant}/receipt",
            f"/activity/{entry.group(1)}",
            "/sign-out",
            "/ledger/",
        ),
        *("/passkey", "/nothing", "/grants/none", "/oauth/authorize", "/sign-in"),
    ]
    pages = {one: browser.get(one, headers=HTML) for one in seen} | {"request": request, "wrong": wrong}
    token = csrf(pages[grant])
    for did in ("suspend", "resume", "revoke"):
        browser.post(f"{grant}/{did}", data={"csrf_token": token})
        pages[did] = browser.get(grant, headers=HTML)
    left = {one: found for one, page in pages.items() if (found := english(page, language))}
    assert not left


def english(page: TestResponse, language: str) -> list[str]:
    """The English that a page has left over, with what stands around it."""
    assert lang(page) == language, page.request.path
    tree = html.fromstring(page.text)
    for one in [one for path in BY_OTHERS for one in tree.xpath(path)]:
        one.drop_tree()
    spoken = [*tree.itertext(), *tree.xpath("//@aria-label"), *tree.xpath("//@placeholder")]
    spoken += [value for one in tree.xpath("//*[@data-failed or @data-bad]") for value in one.attrib.values()]
    return [text.strip() for text in spoken if ENGLISH.search(text)]

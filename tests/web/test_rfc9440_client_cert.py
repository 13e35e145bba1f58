"""RFC 9440: who may say which certificate a client showed, and how it is read."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from consent_service.config import POLICIES, Settings
from consent_service.errors import ServiceError
from consent_service.web.certificate import presented
from consent_service.web.client_cert import LARGEST, decode, encode
from tests.certificates import issue

SECRET = "s" * 40
SHOWN = issue()


def look(*headers: tuple[str, str], secret: str = SECRET) -> x509.Certificate | None:
    settings = Settings("https://consent.example.no", "k" * 40, Path(), "", POLICIES, listener_secret=secret)
    with Flask("test").test_request_context(headers=list(headers)):
        return presented(settings)


@pytest.fixture
def trusted() -> tuple[str, str]:
    return ("X-Listener-Secret", SECRET)


def test_the_certificate_of_the_connection_is_read(trusted: tuple[str, str]) -> None:
    assert look(trusted, ("Client-Cert", encode(SHOWN.der))) == SHOWN.certificate


def test_no_header_means_no_certificate(trusted: tuple[str, str]) -> None:
    assert look(trusted) is None


@pytest.mark.parametrize(
    "said",
    [
        (),
        (("X-Listener-Secret", "t" * 40),),
        (("X-Listener-Secret", ""),),
        (("X-Listener-Secret", SECRET + "x"),),
        (("X-Listener-Secret", "é" * 40),),
        (("X-Listener-Secret", SECRET), ("X-Listener-Secret", SECRET)),
        (("X-Listener-Secret", f"{SECRET},{SECRET}"),),
    ],
)
def test_a_header_from_whoever_does_not_know_the_secret_must_be_ignored(
    said: tuple[tuple[str, str], ...],
) -> None:
    assert look(*said, ("Client-Cert", encode(SHOWN.der))) is None


@pytest.mark.parametrize("said", ["", SECRET])
def test_without_a_secret_in_the_settings_no_header_counts(said: str) -> None:
    assert look(("X-Listener-Secret", said), ("Client-Cert", encode(SHOWN.der)), secret="") is None


TEXT = encode(SHOWN.der)


@pytest.mark.parametrize(
    "value",
    [
        "",
        ":",
        "::",
        TEXT[1:],
        TEXT[:-1],
        TEXT.replace(":", '"'),
        f"{TEXT}, {TEXT}",
        f"{TEXT};a=1",
        f"?1 {TEXT}",
        f"\t{TEXT}",
        encode(SHOWN.der[:-1]),
        encode(SHOWN.der + b"\x00"),
        encode(b"\x30\x00"),
        encode(SHOWN.pem),
        encode(b"\x30" * (LARGEST * 2)),
        TEXT[:-2] + "_:",
    ],
)
def test_a_value_that_is_not_one_certificate_as_a_byte_sequence_is_an_error(
    trusted: tuple[str, str], value: str
) -> None:
    with pytest.raises(ServiceError) as refused:
        look(trusted, ("Client-Cert", value))
    assert (refused.value.code, refused.value.status) == ("invalid_request", 400)


def test_several_headers_are_an_error(trusted: tuple[str, str]) -> None:
    with pytest.raises(ServiceError):
        look(trusted, ("Client-Cert", TEXT), ("Client-Cert", TEXT))


def test_spaces_around_the_item_are_the_structured_field_s_own(trusted: tuple[str, str]) -> None:
    assert look(trusted, ("Client-Cert", f" {TEXT} ")) == SHOWN.certificate


@given(st.binary(min_size=1, max_size=200))
def test_what_is_encoded_is_decoded(der: bytes) -> None:
    assert decode(encode(der)) == der


@given(st.text(max_size=60))
def test_whatever_comes_it_is_bytes_or_a_value_error(text: str) -> None:
    try:
        der = decode(text)
    except ValueError:
        return
    assert encode(der) == text.strip(" ")

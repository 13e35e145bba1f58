"""A browser without a screen: follows redirects, keeps cookies, fills in forms. It runs no scripts."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.cookiejar import CookieJar, DefaultCookiePolicy
from urllib.parse import urljoin

import httpx2

TIMEOUT = 15.0  # seconds


@dataclass(slots=True)
class Form:
    """A form of a page: where it goes, what it would send, and its buttons by id or name and value."""

    action: str
    method: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    buttons: list[dict[str, str]] = field(default_factory=list)


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._inside: Form | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._inside = Form(given.get("action", ""), given.get("method", "get").lower())
            self.forms.append(self._inside)
        elif self._inside is None:
            return
        elif tag == "button":
            self._inside.buttons.append(given)
        elif tag == "input" and "name" in given:
            chosen = given.get("type") not in {"checkbox", "radio"} or "checked" in given
            if chosen:
                self._inside.fields.append((given["name"], given.get("value", "")))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = None


class Browser:
    """One browser with its cookies; ``page`` is what it shows now."""

    def __init__(self) -> None:
        # Like Chromium and Firefox, it takes this machine for secure, http or not.
        jar = CookieJar(DefaultCookiePolicy(secure_protocols=("http", "https")))
        self._http = httpx2.Client(follow_redirects=True, timeout=TIMEOUT, cookies=jar)
        self.page = httpx2.Response(204)

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def open(self, url: str) -> httpx2.Response:
        """Go to an address as a person would."""
        self.page = self._http.get(url, headers={"Accept": "text/html"})
        return self.page

    def ask(self, method: str, url: str) -> httpx2.Response:
        """Call an address as a script of the page's own site would, for JSON."""
        return self._http.request(method, url, headers={"Accept": "application/json"})

    def press(self, without: tuple[str, str] | None = None, **button: str) -> httpx2.Response:
        """Press the button that has these attributes, and send its form as filled in.

        :param without: a field and value to leave out: a box that is unticked
        :raises LookupError: the page has no such button
        """
        parser = _Forms()
        parser.feed(self.page.text)
        for form in parser.forms:
            for found in form.buttons:
                if all(found.get(name) == value for name, value in button.items()):
                    return self._send(form, found, without)
        raise LookupError(f"no button {button} on {self.page.url.path}: {self.page.status_code}")

    def _send(self, form: Form, button: dict[str, str], without: tuple[str, str] | None) -> httpx2.Response:
        fields = [one for one in form.fields if one != without]
        if "name" in button:
            fields.append((button["name"], button.get("value", "")))
        data: dict[str, list[str]] = {}
        for name, value in fields:
            data.setdefault(name, []).append(value)
        url = urljoin(str(self.page.url), form.action)
        headers = {
            "Accept": "text/html",
            "Origin": f"{self.page.url.scheme}://{self.page.url.netloc.decode()}",
        }
        self.page = self._http.request(form.method.upper(), url, data=data, headers=headers)
        return self.page

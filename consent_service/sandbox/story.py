"""The story, played from outside: over HTTP, by forms, as a person with a browser would.

Each step says what was sent and what came back; the story holds only if every answer is
the expected one, the refusals included.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from consent_service.sandbox.browser import Browser

Say = Callable[[str], object]
OK, FORBIDDEN = 200, 403


class Unexpected(Exception):
    """An answer that the story does not expect."""


@dataclass(frozen=True, slots=True)
class Cast:
    """Where the service and the bank are, who answers, and whose ledger is checked in the end."""

    service: str
    bank: str
    person: str
    database_url: str


class Story:
    """One play."""

    def __init__(self, cast: Cast, say: Say) -> None:
        self._service, self._bank, self._person, self._say = cast.service, cast.bank, cast.person, say
        self._database_url = cast.database_url
        self._browser = Browser()
        self._number = 0

    def play(self) -> None:
        """Raise :class:`Unexpected` at the first step that goes another way."""
        self.apply()
        self.sign_in()
        grant_id = self.answer()
        self.read()
        self.see(grant_id)
        self.check(active=True)
        self.revoke(grant_id)
        self.be_refused()
        self.check(active=False)
        self.prove()
        self.verify()

    def apply(self) -> None:
        answer = self._json("POST", f"{self._bank}/apply")
        self._step("The bank pushes its request (PAR) and sends the browser to the service", answer)
        page = self._browser.open(str(answer["redirect"]))
        self._expect(page.status_code == OK and "sign-in-eid" in page.text, "the sign-in page", page.url)
        self._tell(f"GET {page.url.path}", "the service asks the person to sign in")

    def sign_in(self) -> None:
        page = self._browser.press(id="sign-in-eid")
        self._expect(page.url.path == "/eid/authorize", "the test eID's list of persons", page.url)
        self._step("The person chooses the eID", {"at": str(page.url.path)})
        page = self._browser.press(name="person", value=self._person)
        self._expect("create-passkey" in page.text, "the offer of a passkey", page.url)
        self._tell(f"person={self._person}", "signed in; a passkey is offered (made in the browser test)")

    def answer(self) -> str:
        pages = [one for one in self._links() if one.startswith("/requests/")]
        self._expect(len(pages) >= 1, "a request that waits", self._browser.page.url)
        page = self._browser.open(self._service + pages[0])
        self._expect('id="approve"' in page.text, "the owner's page", page.url)
        self._step("The owner reads who asks, for what, until when", {"page": pages[0]})
        page = self._browser.press(id="approve")
        self._expect(str(page.url).startswith(self._bank), "the bank's page again", page.url)
        self._tell("approve", "the code went to the bank, which redeemed it for a DPoP-bound token")
        self._browser.open(f"{self._service}/grants")
        grants = [one for one in self._links() if one.startswith("/grants/")]
        self._expect(len(grants) >= 1, "a grant in the list", self._browser.page.url)
        return grants[0].removeprefix("/grants/")

    def read(self) -> None:
        results = self._json("POST", f"{self._bank}/read")["results"]
        for one in results:
            self._expect(one["status"] == OK, f"{one['data_set']} with 200", one)
        balance = next(one["body"]["data"] for one in results if one["data_set"] == "trial_balance")
        statement = next(one["body"]["data"] for one in results if one["data_set"] == "financial_statement")
        self._expect(balance["balanced"] is True, "a trial balance that balances", balance.get("totals"))
        self._expect(statement["balanced"] is True, "a balance sheet that balances", statement)
        shown = {
            "trial_balance": balance["totals"],
            "result_for_the_period": statement["income_statement"]["result_for_the_period"],
            "assets": statement["balance_sheet"]["assets"]["total"],
            "equity_and_liabilities": statement["balance_sheet"]["equity_and_liabilities"]["total"],
        }
        self._step("The bank reads from the ERP system, which asks for a decision each time", shown)

    def see(self, grant_id: str) -> None:
        page = self._browser.open(f"{self._service}/activity")
        self._expect(
            page.status_code == OK and page.text.count(grant_id) >= 1,
            "the reads in the activity list",
            page.url,
        )
        self._step("The owner sees the reads in the activity list", {"grant_id": grant_id})

    def check(self, *, active: bool) -> None:
        found = self._json("POST", f"{self._bank}/check")
        self._expect(found["introspection"]["active"] is active, f"introspection: active {active}", found)
        dead = found["refresh"].startswith("invalid_grant")
        self._expect(dead is not active, "the refresh token " + ("alive" if active else "dead"), found)
        shown = {"active": found["introspection"]["active"], "refresh": found["refresh"]}
        self._step("The bank asks about its tokens (introspection, refresh)", shown)

    def revoke(self, grant_id: str) -> None:
        self._browser.open(f"{self._service}/grants/{grant_id}")
        page = self._browser.press(id="revoke")
        self._expect(
            page.status_code == OK and 'id="revoke"' not in page.text, "the grant taken back", page.url
        )
        self._step("The owner takes the grant back", {"grant_id": grant_id})

    def be_refused(self) -> None:
        results = self._json("POST", f"{self._bank}/read")["results"]
        for one in results:
            self._expect(one["status"] == FORBIDDEN, f"{one['data_set']} refused with 403", one)
            self._expect(bool(one["body"]["reasons"]), "a reason for the refusal", one)
        self._step("The bank's very next read is refused", results[0]["body"])

    def prove(self) -> None:
        """One click downloads a proof; it is checked with the public key alone."""
        self._browser.open(f"{self._service}/activity")
        proofs = [one for one in self._links() if one.endswith("/proof")]
        self._expect(bool(proofs), "a proof to download", self._browser.page.url)
        text = self._browser.ask("GET", self._service + proofs[0]).text
        key = self._browser.ask("GET", f"{self._service}/ledger/key").text.strip()
        with tempfile.NamedTemporaryFile("w", suffix=".tlog-proof", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            said = self._ledger("verify", file.name, "--key", key)
        self._step("The owner downloads the proof of the refusal and checks it offline", {"says": said})

    def verify(self) -> None:
        """An outsider verifies the log over HTTP; the operator the database; replay decides all again."""
        key = self._browser.ask("GET", f"{self._service}/ledger/key").text.strip()
        said = self._ledger("verify", "--url", f"{self._service}/ledger", "--key", key)
        self._step("An outsider verifies the whole log over HTTP", {"says": said})
        said = self._ledger("verify", "--database", self._database_url)
        self._step("The database is held against the log's key", {"says": said})
        said = self._ledger("replay", "--database", self._database_url)
        self._expect("every decision follows" in said, "decisions that follow from the entries", said)
        self._step("Every decision is taken again from the entries alone", {"says": said})

    def _ledger(self, *arguments: str) -> str:
        command = [sys.executable, "-m", "consent_service", "ledger", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        self._expect(done.returncode == 0, "a ledger that holds", done.stderr.strip() or done.stdout)
        return done.stdout.strip()

    def _json(self, method: str, url: str) -> dict[str, Any]:
        response = self._browser.ask(method, url)
        document = response.json()
        self._expect(response.status_code == OK and isinstance(document, dict), f"JSON from {url}", document)
        return dict(document)

    def _links(self) -> list[str]:
        """The addresses of the present page's links, in order."""
        parts = self._browser.page.text.split('href="')[1:]
        return [part.partition('"')[0] for part in parts]

    def _step(self, title: str, came_back: object) -> None:
        self._number += 1
        self._say(f"\n{self._number}. {title}")
        self._say(f"   <- {json.dumps(came_back, ensure_ascii=False)[:600]}")

    def _tell(self, sent: str, came_back: str) -> None:
        self._say(f"   -> {sent}\n   <- {came_back}")

    def _expect(self, held: bool, what: str, instead: object) -> None:  # noqa: FBT001
        if not held:
            raise Unexpected(f"expected {what}, got {str(instead)[:800]}")


def play(cast: Cast, say: Say) -> bool:
    """Play it; say at the end whether every step gave the expected answer."""
    try:
        Story(cast, say).play()
    except (Unexpected, LookupError, KeyError, StopIteration) as error:
        say(f"\nThe story broke: {error}")
        return False
    say("\nEvery step gave the expected answer, the refusals included.")
    return True

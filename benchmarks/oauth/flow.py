"""PAR, the browser's way, the token: the whole flow, as often as it goes, by many browsers at a time.

Runs in a process of its own: ``python -m benchmarks.oauth.flow < job.json``; :func:`run` starts it.
Each browser keeps one connection and its cookies, and is the bank's server as well. Where a page
comes, its form is sent at once.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import time
import urllib.parse
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.oauth.sides import BANK, FORM, PLACE, REDIRECT, Key, Side, challenge, details, encode
from benchmarks.processor import seconds_of

WARM = 1.0  # seconds that don't count
VERIFIER = "v" * 64
CSRF = re.compile(rb'name="csrf_token" value="([^"]+)"')
MOST_STEPS = 12


def run(side: Side, seconds: float) -> dict[str, float]:
    """As :func:`benchmarks.load.measured`, for flows.

    :raises RuntimeError: a flow that does not end with a token
    """
    job = {
        "issuer": side.issuer,
        "paths": side.paths,
        "key": side.keys[BANK].to_json(),
        "browsers": side.browsers,
        "owners": side.owners,
        "seconds": seconds,
    }
    done = subprocess.run(
        ["taskset", "-c", "1", sys.executable, "-m", "benchmarks.oauth.flow"],
        input=json.dumps(job),
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parent.parent.parent,
    )
    if done.returncode:
        raise RuntimeError(done.stderr.strip())
    found: dict[str, float] = json.loads(done.stdout)
    return found


@dataclass
class Answer:
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key == name), "")


@dataclass
class Browser:
    """One connection kept alive, with a browser's cookies."""

    side: Side
    key: Key
    owner: str
    cookies: dict[str, str]
    place: str = PLACE
    dpop: Key = field(default_factory=Key)
    streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def once(self) -> dict[str, Any]:
        """One flow, to its token response."""
        pushed = await self._by_client(
            "par",
            {
                "response_type": "code",
                "client_id": BANK,
                "redirect_uri": REDIRECT,
                "resource": self.place,
                "state": "the-state",
                "code_challenge": challenge(VERIFIER),
                "code_challenge_method": "S256",
                "authorization_details": details(self.owner),
            },
        )
        query = {"client_id": BANK, "request_uri": pushed["request_uri"]}
        location = f"{self.side.paths['authorize']}?{urllib.parse.urlencode(query)}"
        for _ in range(MOST_STEPS):
            if location.startswith(REDIRECT):
                break
            location = await self._step(location.removeprefix(self.side.issuer))
        back = urllib.parse.parse_qs(urllib.parse.urlsplit(location).query)
        if "code" not in back:
            raise RuntimeError(f"no code came back: {location}")
        redeemed = {
            "grant_type": "authorization_code",
            "code": back["code"][0],
            "redirect_uri": REDIRECT,
            "code_verifier": VERIFIER,
        }
        answer = await self._by_client("token", redeemed, DPoP=self.dpop.proof(self.side.url("token")))
        if answer["token_type"] != "DPoP" or not answer["authorization_details"]:
            raise RuntimeError(f"not the token that was asked for: {answer}")
        return answer

    async def _step(self, path: str) -> str:
        """Follow a redirect; where a page comes, send its form. The next address."""
        answer = await self._send("GET", path, {})
        if answer.status == 200:
            token = CSRF.search(answer.body)
            form = [("answer", "approve"), ("datatypes", "financial_statement")]
            form += [("datatypes", "trial_balance"), ("csrf_token", token[1].decode() if token else "")]
            target = path + ("/answer" if token else "")
            answer = await self._send("POST", target, FORM, urllib.parse.urlencode(form).encode())
        if answer.status not in {302, 303}:
            raise RuntimeError(f"{path}: {answer.status} {answer.body[:500]!r}")
        return answer.header("location")

    async def _by_client(self, endpoint: str, form: dict[str, str], **headers: str) -> dict[str, Any]:
        body = encode({**form, **self.key.assertion(BANK, self.side.issuer)})
        answer = await self._send("POST", self.side.paths[endpoint], FORM | headers, body, cookies=False)
        if answer.status not in {200, 201}:
            raise RuntimeError(f"{endpoint}: {answer.status} {answer.body[:500]!r}")
        found: dict[str, Any] = json.loads(answer.body)
        return found

    async def _send(
        self, method: str, path: str, headers: dict[str, str], body: bytes = b"", *, cookies: bool = True
    ) -> Answer:
        fields = {"Host": urllib.parse.urlsplit(self.side.issuer).netloc, **headers}
        if cookies and self.cookies:
            fields["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        answer = await self.exchange(method, path, fields, body)
        for name, value in answer.headers:
            if name == "set-cookie" and cookies:
                key, _, content = value.partition(";")[0].partition("=")
                self.cookies[key] = content
                if not content:
                    del self.cookies[key]
        return answer

    async def exchange(self, method: str, path: str, fields: dict[str, str], body: bytes) -> Answer:
        """One request over the connection that is kept."""
        target = urllib.parse.urlsplit(self.side.issuer)
        if self.streams is None:
            self.streams = await asyncio.open_connection(target.hostname, target.port, limit=2**20)
        reader, writer = self.streams
        fields = {**fields, "Content-Length": str(len(body))}
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *rest = head.split("\r\n")
        answer = Answer(int(first.split(" ", 2)[1]), [_split(line) for line in rest if line], b"")
        if answer.header("transfer-encoding") == "chunked":
            while size := int(await reader.readline(), 16):
                answer.body += (await reader.readexactly(size + 2))[:-2]
            await reader.readexactly(2)
        else:
            answer.body = await reader.readexactly(int(answer.header("content-length") or 0))
        if answer.header("connection") == "close":
            writer.close()
            self.streams = None
        return answer


def _split(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.lower(), value.strip()


async def load(browsers: list[Browser], seconds: float) -> dict[str, float]:
    for browser in browsers:  # signed in, one after the other, before anything counts
        await browser.once()
    begin = time.perf_counter() + WARM
    port, used = urllib.parse.urlsplit(browsers[0].side.issuer).port or 80, list[float]()
    for moment in (WARM, WARM + seconds):
        asyncio.get_running_loop().call_later(moment, lambda: used.append(seconds_of(port)))
    end, took, count = begin + seconds, list[float](), 0

    async def again(browser: Browser) -> None:
        nonlocal count
        while (begun := time.perf_counter()) < end:
            await browser.once()
            done = time.perf_counter()
            if begun >= begin:
                took.append(done - begun)
            count += begin <= done < end

    await asyncio.gather(*map(again, browsers))
    took.sort()
    middle, late = (took[int(len(took) * part)] * 1000 for part in (0.5, 0.99))
    spent = (used[1] - used[0]) / count * 1e6
    return {"throughput": count / seconds, "p50": middle, "p99": late, "cpu": spent}


def main() -> None:
    job = json.load(sys.stdin)
    key = Key.from_json(job["key"])
    side = Side("", job["issuer"], job["paths"], {BANK: key})
    pairs = zip(job["browsers"], job["owners"], strict=True)
    browsers = [Browser(side, key, owner, cookies) for cookies, owner in pairs]
    try:
        print(json.dumps(asyncio.run(load(browsers, job["seconds"]))))
    except (RuntimeError, OSError, asyncio.IncompleteReadError) as error:
        raise SystemExit(f"flow on {side.issuer}: {type(error).__name__}: {error}") from error


if __name__ == "__main__":
    main()

"""Ours beside ``oidc-provider``, in one run, each server on the same one core, in turn.

docs/benchmarks.md has a run, and says what is compared.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import statistics
import sys
from collections.abc import Callable
from contextlib import ExitStack

import structlog

from benchmarks.load import measured
from benchmarks.oauth import flow, ours, theirs
from benchmarks.oauth.sides import BANK, ERP, FORM, PLACE, Side, encode

ROUNDS, SECONDS, CONNECTIONS = 3, 4.0, 32
MOST_A_SECOND = 6000
"""So many assertions are signed for a second of load; a server that is faster would be sent one twice."""
Found = dict[str, float]
Measure = Callable[[Side], Found]


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--rounds", type=int, default=ROUNDS)
    options.add_argument("--only", default="", help="measure what has this in its name")
    chosen = options.parse_args()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    os.sched_setaffinity(0, {1})
    print(f"{theirs.version()}; {chosen.rounds} rounds of {SECONDS:.0f} s in turn, medians\n")
    print("| what | | a second | p50 ms | p99 ms | processor µs each | a second, ratio | processor, ratio |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    with ExitStack() as stack:
        left, right = stack.enter_context(ours.running_side()), stack.enter_context(theirs.running_side())
        tokens = {side.name: token(side) for side in (left, right)}
        for what, measure in measures(tokens).items():
            if chosen.only in what:
                compare(what, measure, (left, right), chosen.rounds)


def measures(tokens: dict[str, str]) -> dict[str, Measure]:
    """What is measured, by its name in the table."""

    def introspection_signed(side: Side) -> Found:
        bodies = side.forms(ERP, {"token": tokens[side.name]}, most())
        return requests(side, "introspect", bodies, FORM, b'"authorization_details"')

    def introspection(side: Side) -> Found:
        body = encode({"token": tokens[side.name]})
        return requests(side, "introspect", [body], FORM | side.introspecting, b'"authorization_details"')

    def machine(side: Side, place: str) -> Found:
        form = {"grant_type": "client_credentials"}
        if side.name != "ours":
            form["resource"] = place
        return requests(side, "token", side.forms(ERP, form, most()), FORM, b'"access_token"')

    return {
        "introspection": introspection,
        "introspection, private_key_jwt each time": introspection_signed,
        "client credentials, private_key_jwt": lambda side: machine(side, PLACE),
        "client credentials, private_key_jwt; theirs opaque": lambda side: machine(side, f"{PLACE}/opaque"),
        "PAR, authorize, approve, token": lambda side: flow.run(side, SECONDS),
    }


def requests(
    side: Side, endpoint: str, bodies: list[bytes], headers: dict[str, str], expected: bytes
) -> Found:
    return measured(side.url(endpoint), bodies, headers, SECONDS, CONNECTIONS, expected)


def most() -> int:
    return int(MOST_A_SECOND * (SECONDS + 1))


def token(side: Side) -> str:
    """The access token of one flow; theirs is opaque, since they introspect no other."""
    browser = flow.Browser(side, side.keys[BANK], side.owners[0], dict(side.browsers[0]))
    browser.place = PLACE if side.name == "ours" else f"{PLACE}/opaque"
    return str(asyncio.run(browser.once())["access_token"])


def compare(what: str, measure: Measure, sides: tuple[Side, Side], rounds: int) -> None:
    found: dict[str, list[Found]] = {side.name: [] for side in sides}
    for _ in range(rounds):
        for side in sides:
            found[side.name].append(measure(side))
            print(what, side.name, found[side.name][-1], file=sys.stderr, flush=True)
    pairs = list(zip(*found.values(), strict=True))
    rate = statistics.median(mine["throughput"] / other["throughput"] for mine, other in pairs)
    cost = statistics.median(mine["cpu"] / other["cpu"] for mine, other in pairs)
    for name, rows in found.items():
        middle = {key: statistics.median(row[key] for row in rows) for key in rows[0]}
        ratios = f"{rate:.2f} | {cost:.2f}" if name == "ours" else " | "
        figures = (
            f"{middle['throughput']:,.0f} | {middle['p50']:.1f} | {middle['p99']:.1f} | {middle['cpu']:,.0f}"
        )
        print(f"| {what} | {name} | {figures} | {ratios} |", flush=True)


if __name__ == "__main__":
    main()

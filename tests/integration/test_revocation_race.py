"""Strong revocation: in the ledger, as in time, no permit stands after the revocation."""

from __future__ import annotations

import threading

from sqlalchemy import select

from consent_service.db import reading
from consent_service.ledger.store import EntryRow, PayloadRow
from consent_service.ledger.verify import verify
from tests.world import OWNER, World


def test_no_permit_stands_after_a_revocation_that_raced_it(both_worlds: World) -> None:
    world = both_worlds
    browser = world.sign_in()
    access = {"mode": "standing", "valid_until": world.details()["access"]["valid_until"]}
    token = world.grant(world.details(access=access), browser)
    bearer, question = world.bearer(world.erp), world.question(token, world.erp)
    revoked = threading.Event()
    late_permits: list[bool] = []

    def read() -> None:
        for _ in range(15):
            after = revoked.is_set()
            permitted = world.ask(world.erp, question, bearer=bearer).json["decision"]
            if after:
                late_permits.append(permitted)

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    assert world.revoke(browser, token["grant_id"]).status_code == 303
    revoked.set()
    for reader in readers:
        reader.join()
    assert True not in late_permits
    world.sequence()
    with world.app.app_context():
        kinds = list(
            reading().scalars(
                select(PayloadRow.kind)
                .join(EntryRow, EntryRow.entry_id == PayloadRow.entry_id)
                .where(PayloadRow.owner == OWNER, PayloadRow.grant_id == token["grant_id"])
                .order_by(EntryRow.index)
            )
        )
        assert "decision.permit" not in kinds[kinds.index("grant.revoked") :]
        assert verify(reading())


def test_more_callers_than_connections_all_get_their_answer(both_worlds: World) -> None:
    world = both_worlds
    token = world.grant()
    bearer, question = world.bearer(world.erp), world.question(token, world.erp)
    answers: list[int] = []

    def ask() -> None:
        answers.extend(world.ask(world.erp, question, bearer=bearer).status_code for _ in range(3))

    threads = [threading.Thread(target=ask) for _ in range(60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 180

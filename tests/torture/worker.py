"""One process under load: ``worker.py URL HOME ACKNOWLEDGED NAME``; appends from four threads until it is killed.

Whatever the ledger has acknowledged is written to a file, as a client would know it. Beside the
appends runs a sequencer, as in every worker of the service; NAME ``sequencer`` runs that alone.
"""

from __future__ import annotations

import itertools
import os
import sys
import threading
from pathlib import Path

from sqlalchemy import create_engine

from consent_service.clock import SystemClock
from consent_service.db import group
from consent_service.ledger import append
from consent_service.ledger.model import Kind
from consent_service.ledger.sequencer import Sequencer
from consent_service.ledger.watch import Watch

URL, HOME, ACKNOWLEDGED, NAME = sys.argv[1], Path(sys.argv[2]), sys.argv[3], sys.argv[4]
ORIGIN, SECRET, THREADS = "log.example/torture", "k" * 40, 4
CLOCK = SystemClock()
engine = create_engine(URL)
sequencer = Sequencer(engine, ORIGIN, SECRET, Watch(HOME, ORIGIN), CLOCK)
said = os.open(ACKNOWLEDGED, os.O_WRONLY | os.O_CREAT | os.O_APPEND)


def load(thread: str) -> None:
    for number in itertools.count():
        payload = {"thread": thread, "number": number}
        entry = group(engine).run(
            lambda session, payload=payload: append.append(
                session, Kind.DECISION_DENY, payload, now=CLOCK.now(), owner="0192:310028142"
            )
        )
        os.write(said, f"{thread} {number} {entry.entry_id}\n".encode())


sequencer.prepare()
if NAME == "sequencer":
    sequencer.run()
sequencer.start()
for place in range(THREADS):
    threading.Thread(target=load, args=(f"{NAME}.{place}",)).start()

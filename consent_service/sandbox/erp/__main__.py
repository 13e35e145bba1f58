"""Run the sandbox's ERP system: ``python -m consent_service.sandbox.erp``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from consent_service.sandbox import serving
from consent_service.sandbox.erp.app import create_app
from consent_service.sandbox.erp.saft import SaftError, load
from consent_service.verifier.decision import DecisionClient
from consent_service.verifier.guard import Guard
from consent_service.verifier.keys import ClientKey
from consent_service.verifier.service import Authenticated, Service
from consent_service.verifier.status import StatusLists

SAMPLE = Path(__file__).resolve().parent / "sample-saft.xml"


def main() -> int:
    """Load the books, then serve them."""
    arguments = argparse.ArgumentParser(prog="consent_service.sandbox.erp")
    arguments.add_argument("--port", type=int, required=True)
    arguments.add_argument("--issuer", required=True)
    arguments.add_argument("--client-id", required=True)
    arguments.add_argument("--key", type=Path, required=True)
    arguments.add_argument("--resource", required=True)
    arguments.add_argument("--saft", type=Path, default=SAMPLE)
    given = arguments.parse_args()
    try:
        books = load(given.saft)
        holder = Authenticated(Service(given.issuer), given.client_id, ClientKey.read(given.key))
        statuses = StatusLists(holder.service)
        guard = Guard(holder, given.resource, DecisionClient(holder), statuses=statuses)
        app = create_app(books, guard, given.resource, given.issuer)
    except (SaftError, ValueError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    serving.serve(app, "sandbox ERP system", given.port)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Run the sandbox's bank: ``python -m consent_service.sandbox.bank``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from consent_service.sandbox import serving
from consent_service.sandbox.bank.app import Offer, create_app
from consent_service.verifier.client import PartyClient
from consent_service.verifier.dpop import DPoPKey
from consent_service.verifier.keys import ClientKey, new_ec_key
from consent_service.verifier.service import Authenticated, Service


def main() -> int:
    """Make a DPoP key for this run, then serve."""
    arguments = argparse.ArgumentParser(prog="consent_service.sandbox.bank")
    arguments.add_argument("--port", type=int, required=True)
    arguments.add_argument("--issuer", required=True)
    arguments.add_argument("--client-id", required=True)
    arguments.add_argument("--key", type=Path, required=True)
    arguments.add_argument("--erp", required=True, help="where the owner's ERP system serves data")
    arguments.add_argument("--name", default="Nordhavn Bank ASA")
    arguments.add_argument("--owner", required=True)
    arguments.add_argument("--owner-name", required=True)
    arguments.add_argument("--person", default="Ingrid Hauge", help="who can answer for the owner")
    arguments.add_argument("--period-from", default="2024-01-01")
    arguments.add_argument("--period-to", default="2025-12-31")
    given = arguments.parse_args()
    try:
        party = Authenticated(Service(given.issuer), given.client_id, ClientKey.read(given.key))
    except (ValueError, OSError) as error:
        sys.stderr.write(f"{given.key} holds no key: {error}\n")
        return 2
    offer = Offer(
        given.name, given.owner, given.owner_name, given.period_from, given.period_to, given.erp, given.person
    )
    client = PartyClient(party, DPoPKey(new_ec_key()))
    app = create_app(client, offer, given.issuer, f"http://localhost:{given.port}")
    serving.serve(app, "sandbox bank", given.port)
    return 0


if __name__ == "__main__":
    sys.exit(main())

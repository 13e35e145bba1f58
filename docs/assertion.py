"""Print a client assertion: ``python docs/assertion.py CLIENT_ID KEY_FILE ISSUER`` (RFC 7523)."""

import datetime as dt
import sys
from pathlib import Path

from consent_service.verifier.keys import ClientKey

client_id, key, issuer = sys.argv[1:]
assertion = ClientKey.read(Path(key)).assertion(client_id, issuer, dt.datetime.now(dt.UTC))
sys.stdout.write(assertion["client_assertion"])

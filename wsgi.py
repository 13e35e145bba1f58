"""The WSGI application for any server: settings come from ``CONSENT_*`` environment variables."""

import os

from consent_service.app import create_app
from consent_service.config import from_environ
from consent_service.ledger.sequencer import Sequencer
from consent_service.web import logs
from consent_service.web.current import current

logs.configure()
application = create_app(from_environ(os.environ))
with application.app_context():
    sequencer = current(Sequencer)
sequencer.prepare()
sequencer.start()

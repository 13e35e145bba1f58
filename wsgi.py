"""The WSGI application for any server: settings come from ``CONSENT_*`` environment variables."""

import gc
import os

from consent_service.app import create_app
from consent_service.config import from_environ
from consent_service.courier import Courier
from consent_service.ledger.sequencer import Sequencer
from consent_service.signals.teller import Teller
from consent_service.upkeep.keeper import Keeper
from consent_service.web import logs
from consent_service.web.current import current

logs.configure()
# A request leaves little that points to itself, so the collector looks less often: a tenth of the time.
gc.set_threshold(20_000, 20, 20)
application = create_app(from_environ(os.environ))
with application.app_context():
    sequencer, keeper = current(Sequencer), current(Keeper)
    courier, teller = current(Courier), current(Teller)
sequencer.prepare()
keeper.attempt(keeper.keys)
for one in (sequencer, keeper, courier, teller):
    one.start()
gc.freeze()

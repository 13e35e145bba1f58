"""The WSGI application for any server: settings come from ``CONSENT_*`` environment variables."""

import os

from consent_service.app import create_app
from consent_service.config import from_environ
from consent_service.web import logs

logs.configure()
application = create_app(from_environ(os.environ))

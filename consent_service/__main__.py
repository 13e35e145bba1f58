"""``python -m consent_service`` is ``consent-service``."""

from consent_service.cli import main

main(prog_name="consent-service")

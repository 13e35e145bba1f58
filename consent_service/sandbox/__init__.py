"""A small country to try the service in: eID and register, an ERP system, a bank; outside only."""

"""Telling others: security events by the OpenID Shared Signals Framework 1.0 and CAEP 1.0."""

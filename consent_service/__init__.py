"""Consent Service: permission to read a business's data, given, checked and proven."""

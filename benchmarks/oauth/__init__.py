"""What the authorisation server costs, beside ``oidc-provider``: ``python -m benchmarks.oauth``."""

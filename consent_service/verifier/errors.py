"""What the verifier says when it says no."""

from __future__ import annotations


class Refused(Exception):
    """A token or proof that is not accepted; the sentence may be shown to the caller.

    :param error: the code for WWW-Authenticate (RFC 6750 section 3.1, RFC 9449 section 7.1)
    """

    error = "invalid_token"


class DPoPError(Refused):
    """A DPoP proof that is missing, wrong or used before (RFC 9449)."""

    error = "invalid_dpop_proof"


class UseNonce(DPoPError):
    """A proof without a fresh nonce of the server that wants one (RFC 9449 section 8)."""

    error = "use_dpop_nonce"


class ServiceFailed(Exception):
    """The service did not answer, or not as the standard says; nothing may be concluded from that."""


class OAuthRefused(Exception):
    """The service answered with an OAuth error (RFC 6749 section 5.2)."""

    def __init__(self, error: str, description: str, status: int) -> None:
        super().__init__(f"{error}: {description}")
        self.error, self.description, self.status = error, description, status

"""What a data holder or a requesting party imports; needs only httpx2 and PyJWT.

A holder's endpoint is three steps: verify the token (:mod:`.token`, :mod:`.dpop`), ask
for the decision (:mod:`.decision`), answer; :class:`.guard.Guard` does the first two in
one call. A party's side is :class:`.client.PartyClient`.
"""

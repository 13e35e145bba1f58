"""Making proofs from the database: a bundle for an entry, against the published checkpoint."""

from __future__ import annotations

from sqlalchemy.orm import Session

from consent_service.errors import ServiceError, said
from consent_service.ledger import store, tree
from consent_service.ledger.checkpoint import unverified
from consent_service.ledger.proof import Bundle
from consent_service.ledger.tiles import TileHashes


class NotYet(ServiceError):
    """The entry is durable and has no place in a published tree yet; within a second it has."""

    def __init__(self) -> None:
        sentence = said("This entry is recorded and gets its place in the tree within a second. Ask again.")
        super().__init__("not_yet", sentence, status=503)


def bundle(session: Session, entry_id: str, *, with_payload: bool) -> Bundle:
    """The proof that an entry is in the log.

    :param with_payload: whether the payload goes along; who may have it is the caller's business
    :raises ServiceError: ``unknown_entry``; :class:`NotYet`
    """
    found = store.entry(session, entry_id)
    if found is None:
        raise ServiceError("unknown_entry", "There is no such entry.", status=404)
    body, index = found
    note = store.head(session).published
    size = unverified(note).size if note else 0
    if note is None or index is None or index >= size:
        raise NotYet
    path = tree.inclusion_proof(index, size, TileHashes(store.tile_reader(session)))
    payload = store.payload(session, entry_id)
    given = payload is not None and with_payload and payload.body is not None
    return Bundle(
        index=index,
        path=tuple(path),
        checkpoint=note,
        entry=body.decode(),
        payload=payload.body.decode() if given and payload and payload.body else None,
        salt=payload.salt if given and payload else None,
        erased_by=payload.erased_by if payload else None,
    )

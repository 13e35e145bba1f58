"""Giving entries their place in the tree: one sequencer at a time, across all workers and nodes.

A step is one transaction under a lock of the database, which ends with its holder however
that dies; and it takes everything from the tables, nothing from memory. So any number may
run, and whoever comes next goes on where the last one stopped.

What a crash leaves: before the commit, pending entries as they were; after it, a head whose
checkpoint is signed and perhaps not yet remembered or shown to witnesses, which the next step
makes good.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Event, Thread

import structlog
from sqlalchemy import Engine, bindparam, delete, insert, select, update
from sqlalchemy.orm import Session

from consent_service.clock import Clock
from consent_service.config import Settings
from consent_service.db import try_lock, writing_to
from consent_service.ledger import signing, store, tree
from consent_service.ledger.checkpoint import Checkpoint, unverified
from consent_service.ledger.note import NoteSigner
from consent_service.ledger.store import HEAD, EntryRow, HeadRow, PendingRow, TileRow
from consent_service.ledger.tiles import grow, over
from consent_service.ledger.watch import Watch
from consent_service.ledger.witness import Witnesses
from consent_service.prepared import Prepared
from consent_service.stored import table

LOCK = "ledger-sequencer"
MOST_AT_ONCE = 4096  # entries in one step: bounds how long others wait for the pen
INTERVAL = 0.2  # seconds between looks; an entry stands in the tree within a second
GRACE = 10  # looks before another's unpublished checkpoint is taken over


_PENDING, _HEADS, _TILE = table(PendingRow), table(HeadRow), table(TileRow)
_OLDEST = select(_PENDING.c.arrival).order_by(_PENDING.c.arrival).limit(bindparam("most"))
_TAKEN = Prepared(
    delete(_PENDING)
    .where(_PENDING.c.arrival.in_(_OLDEST))
    .returning(_PENDING.c.arrival, _PENDING.c.entry_id, _PENDING.c.body)
)
_ENTRIES = Prepared(insert(table(EntryRow)), "index", "entry_id", "body")
_TILES = Prepared(insert(_TILE), "level", "index", "hashes")
_NARROWER = Prepared(
    delete(_TILE).where(_TILE.c.level == bindparam("level"), _TILE.c["index"] == bindparam("index")),
    *("level", "index"),
)


def sequence(session: Session, signer: NoteSigner, *, publish: bool = True) -> int:
    """Move what is pending into the tree, sign the new head, and return how many entries it were.

    1. Take the sequencer's lock; whoever does not get it has nothing to do.
    2. Take the pending rows in the order of their arrival. What arrives meanwhile, even with a
       lower number, waits for the next step.
    3. Store entries and the tiles that changed.
    4. Sign a checkpoint over the new size and root.

    :param publish: False while witnesses are to be asked first
    """
    if not try_lock(session, LOCK):
        return 0
    head = store.head(session)
    taken = _TAKEN.rows(session, {"most": MOST_AT_ONCE})
    if not taken and head.checkpoint and unverified(head.checkpoint).origin == signer.name:
        return 0
    entries = [
        (head.size + place, entry_id, body)
        for place, (_, entry_id, body) in enumerate(sorted(tuple(row) for row in taken))
    ]
    read = store.tile_reader(session)
    changed = grow(head.size, [tree.leaf_hash(body) for _, _, body in entries], read)
    size = head.size + len(entries)
    root = tree.root(size, over(changed, read))
    if entries:
        _ENTRIES.many(session, entries)
        put_tiles(session, changed)
    note = str(Checkpoint(signer.name, size, root).sign(signer))
    values = {"size": size, "root": root, "checkpoint": note} | ({"published": note} if publish else {})
    session.connection().execute(update(_HEADS).where(_HEADS.c.id == HEAD).values(**values))
    return len(entries)


def put_tiles(session: Session, changed: dict[tuple[int, int], bytes]) -> None:
    """Store tiles in place of their narrower selves."""
    _NARROWER.many(session, list(changed))
    _TILES.many(session, [(level, index, hashes) for (level, index), hashes in changed.items()])


@dataclass
class Sequencer:
    """Steps again and again: sequence, remember, ask the witnesses, publish.

    :param secret_key: what the log's key is sealed with
    """

    engine: Engine
    origin: str
    secret_key: str
    watch: Watch
    clock: Clock
    witnesses: Witnesses = field(default_factory=Witnesses)
    stopped: Event = field(default_factory=Event)
    _signer: NoteSigner | None = None
    _behind: int = 0
    _seen: str = ""

    @classmethod
    def of(cls, engine: Engine, settings: Settings, clock: Clock) -> Sequencer:
        """The sequencer that the settings ask for.

        :raises ConfigurationError: a witness that is none
        """
        watch, witnesses = Watch(settings.home, settings.log), Witnesses.of(settings.witnesses)
        return cls(engine, settings.log, settings.secret_key, watch, clock, witnesses)

    def prepare(self) -> None:
        """Make the log's key if there is none, and hold the database against what was published.

        :raises ConfigurationError: the key can't be opened
        """
        with writing_to(self.engine) as session:
            self._check(session)
        with Session(self.engine) as session:
            halted = store.head(session).halted
        if not halted:
            with writing_to(self.engine) as session:
                signing.ensure(session, self.origin, self.secret_key, self.clock.now())

    def step(self) -> int:
        """One step; returns how many entries were sequenced."""
        with Session(self.engine) as session:
            head = store.head(session)
            waiting = session.scalar(select(PendingRow.arrival).limit(1)) is not None
            halted, note, published = head.halted, head.checkpoint or "", head.published
        sequenced = 0
        if waiting or not note.startswith(f"{self.origin}\n") or halted:
            with writing_to(self.engine) as session:
                if self._check(session):
                    return 0
                publish = not self.witnesses.members
                sequenced = sequence(session, self.signer(session), publish=publish)
                head = store.head(session)
                note, published = head.checkpoint or "", head.published
        if note and note != self._seen:
            self.watch.remember(note)
            self._seen = note
        self._behind = self._behind + 1 if _newer(note, published) else 0
        if self._behind and (sequenced or self._behind > GRACE):
            self._publish(note)
        return sequenced

    def signer(self, session: Session) -> NoteSigner:
        """The log's signer; the key is opened once."""
        if self._signer is None:
            self._signer = signing.signer(session, self.origin, self.secret_key)
        return self._signer

    def run(self) -> None:
        """Step until :attr:`stopped`; whatever goes wrong is logged and tried again."""
        while not self.stopped.wait(INTERVAL):
            try:
                while self.step() == MOST_AT_ONCE:
                    pass
            except Exception as error:  # noqa: BLE001  (the next step takes everything from the tables again)
                structlog.get_logger().error("sequencer", exception=type(error).__name__)

    def start(self) -> Thread:
        """Run in a thread of its own, which ends with the process."""
        thread = Thread(target=self.run, name="sequencer", daemon=True)
        thread.start()
        return thread

    def resume(self) -> str | None:
        """Let a halted log go on, if nothing is wrong with it any more; returns what still is."""
        with writing_to(self.engine) as session:
            session.execute(update(HeadRow).where(HeadRow.id == HEAD).values(halted=None))
            self._check(session)
        with Session(self.engine) as session:
            return store.head(session).halted

    def _check(self, session: Session) -> bool:
        """Whether the log is halted; halts it when the database is not what was published.

        Another node may know what this one has forgotten, so only :meth:`resume` lets the
        log go on; a new origin begins without the old one's halt.
        """
        head = store.head(session)
        if head.halted and head.halted.startswith(f"{self.origin}: "):
            return True
        problem = self.watch.problem(session, signing.verifier_key(session, self.origin))
        if problem != head.halted:
            session.execute(update(HeadRow).where(HeadRow.id == HEAD).values(halted=problem))
        if problem:
            structlog.get_logger().error("ledger halted", problem=problem)
        return problem is not None

    def _publish(self, note: str) -> None:
        with Session(self.engine) as session:
            cosigned = self.witnesses.cosign(note, store.tile_reader(session))
        with writing_to(self.engine) as session:
            if _newer(cosigned, store.head(session).published):
                session.execute(update(HeadRow).where(HeadRow.id == HEAD).values(published=cosigned))
        self._behind = 0


def _newer(note: str, published: str | None) -> bool:
    """Whether a checkpoint is of a larger tree than the published one, or of another log."""
    if not note or not published:
        return bool(note)
    one, other = unverified(note), unverified(published)
    return one.origin != other.origin or one.size > other.size

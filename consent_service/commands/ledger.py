"""The ledger from the command line: verify, replay, erase, resume, sequence, mandates."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
import httpx2
from sqlalchemy import Engine, create_engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from consent_service.clock import SystemClock, rfc3339
from consent_service.commands import CommandError
from consent_service.commands.database import transaction
from consent_service.config import Settings, database_url_from
from consent_service.db import writing_to
from consent_service.grants import records
from consent_service.ledger import proof, signing, store, verify
from consent_service.ledger.checkpoint import Checkpoint, Opened, open_checkpoint
from consent_service.ledger.note import NoteError, VerifierKey
from consent_service.ledger.rebuild import TreeError
from consent_service.ledger.remote import Remote, verify_remote
from consent_service.ledger.sequencer import Sequencer
from consent_service.ledger.tree import ProofError
from consent_service.registry import mandates

OK, BAD = 0, 1
EVERY = 1000  # entries between two looks at the progress bar


@dataclass(frozen=True, slots=True)
class Trust:
    """What a verifier brings along: the log's key, a remembered checkpoint, witnesses."""

    key: VerifierKey | None
    checkpoint: Path | None = None
    witnesses: tuple[VerifierKey, ...] = ()

    @classmethod
    def of(cls, key: str | None, checkpoint: Path | None, witnesses: Sequence[str]) -> Trust:
        """From the command line; a key may be given as text or as a file that holds it."""
        try:
            return cls(_key(key) if key else None, checkpoint, tuple(map(_key, witnesses)))
        except NoteError as error:
            raise CommandError(str(error)) from error

    def remembered(self, log: VerifierKey | None) -> Checkpoint | None:
        """The remembered checkpoint, verified.

        :raises CommandError: it can't be read, or nobody says by which key
        """
        if self.checkpoint is None:
            return None
        if log is None:
            raise CommandError("a remembered checkpoint needs the log's key: --key")
        try:
            return open_checkpoint(self.checkpoint.read_text("utf-8"), log).checkpoint
        except (OSError, UnicodeError, NoteError) as error:
            raise CommandError(f"{self.checkpoint}: {error}") from error


def verify_file(path: Path, trust: Trust, environ: Mapping[str, str]) -> int:
    """Check a proof bundle offline, with the log's public key alone."""
    key = trust.key or _own_key(environ)
    if key is None:
        raise CommandError("give the log's public key: --key KEY (a text or a file); it is at <log>/key")
    try:
        checked = proof.check(proof.Bundle.parse(path.read_text("utf-8")), key, trust.witnesses)
    except (ProofError, UnicodeError) as error:
        click.echo(f"the proof does NOT hold: {error}", err=True)
        return BAD
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from error
    head = checked.opened.checkpoint
    click.echo(f"the proof holds: {checked.entry.get('kind')} of {checked.entry.get('time')}")
    click.echo(
        f"entry {checked.entry.get('entry_id')} stands in the log {head.origin} of {head.size} entries"
    )
    click.echo("its payload is the one recorded" if checked.payload else "its payload is not in the file")
    _say_witnesses(checked.opened)
    return OK


def verify_database(environ: Mapping[str, str], database: str | None, trust: Trust) -> int:
    """Walk a whole database and say what was found."""
    engine = create_engine(database_url(environ, database))
    if engine.dialect.name == "postgresql":  # one snapshot of everything, while the service goes on
        engine = engine.execution_options(isolation_level="REPEATABLE READ")
    try:
        with Session(engine) as session:
            head = store.head(session)
            # Whoever brings no key checks against the database's own, by the name its checkpoint has.
            stated = (
                signing.verifier_key(session, head.checkpoint.partition("\n")[0]) if head.checkpoint else None
            )
            key = trust.key or stated
            with progress_bar(head.size, "verifying") as progress:
                found = verify.verify(session, key, trust.remembered(key), progress)
            checkpoint = head.published or ""
    except RuntimeError as error:
        found, checkpoint = verify.Verification(0, "", problem=str(error)), ""
    except SQLAlchemyError as error:
        raise CommandError(f"this is not a ledger that can be read: {type(error).__name__}") from error
    finally:
        engine.dispose()
    if not found:
        where = f"entry {found.bad_entry} (number {found.size})" if found.bad_entry else f"size {found.size}"
        click.echo(f"the ledger does NOT hold at {where}: {found.problem}", err=True)
        return BAD
    click.echo(
        f"the ledger holds: {found.size} entries, {found.pending} waiting for their place, "
        f"{found.erased} erased, root {found.root}"
    )
    if checkpoint:
        click.echo(f"its checkpoint, to remember elsewhere:\n\n{checkpoint}", nl=False)
    return OK


def verify_log(url: str, trust: Trust) -> int:
    """Verify a log over HTTP."""
    if trust.key is None:
        raise CommandError("a remote log needs its public key: --key KEY; it is at <log>/key")
    remembered = trust.remembered(trust.key)
    with httpx2.Client(follow_redirects=False) as http:
        remote = Remote(url.rstrip("/"), http)
        try:
            size = open_checkpoint(remote.checkpoint(), trust.key).checkpoint.size
            with progress_bar(size, "verifying") as progress:
                opened = verify_remote(remote, trust.key, remembered, trust.witnesses, progress)
        except (TreeError, NoteError) as error:
            where = f" at entry number {error.index}" if isinstance(error, TreeError) and error.index else ""
            click.echo(f"the log does NOT hold{where}: {error}", err=True)
            return BAD
    head = opened.checkpoint
    click.echo(f"the log {head.origin} holds: {head.size} entries, root {head.root.hex()}")
    _say_witnesses(opened)
    click.echo(f"its checkpoint, to remember:\n\n{opened.note}", nl=False)
    return OK


def resume(settings: Settings) -> str:
    """Let a halted log go on when nothing is wrong any more."""
    with _engine(settings) as engine:
        problem = Sequencer.of(engine, settings, SystemClock()).resume()
    if problem:
        raise CommandError(problem)
    return "the log takes entries"


def sequence(settings: Settings, *, once: bool) -> str:
    """Run the sequencer in this process, until stopped or until nothing waits."""
    with _engine(settings) as engine:
        sequencer = Sequencer.of(engine, settings, SystemClock())
        sequencer.prepare()
        if not once:
            sequencer.run()
        while sequencer.step():
            pass
        with Session(engine) as session:
            head = store.head(session)
            if head.halted:
                raise CommandError(head.halted)
            return f"the tree has {head.size} entries"


def erase(settings: Settings, entry_ids: Sequence[str], person: str | None, reason: str) -> Iterator[str]:
    """Erase payloads, by entry or all in which a person acted; a line for each."""
    with transaction(settings.database_url) as session:
        named = [(row.owner, row.entry_id) for one in entry_ids if (row := store.payload(session, one))]
        missing = set(entry_ids) - {entry_id for _, entry_id in named}
        if missing:
            raise CommandError(f"there is no entry {min(missing)}; nothing was erased")
        found = named + (list(records.naming(session, person)) if person else [])
    for owner, entry_id in found:
        with transaction(settings.database_url) as session:
            now = SystemClock().now()
            records.erase_for_owner(session, owner, entry_id, actor="operator", reason=reason, now=now)
            session.commit()
        yield f"{entry_id}: erased"


def give_mandate(
    settings: Settings, client: str, scope: mandates.Scope, basis: str, valid_until: dt.datetime
) -> str:
    """Give a supervisor a mandate."""
    with transaction(settings.database_url) as session:
        mandate_id = mandates.give(
            session, client, scope, basis=basis, valid_until=valid_until, now=SystemClock().now()
        )
        session.commit()
    return f"mandate {mandate_id} counts until {rfc3339(valid_until)}"


def end_mandate(settings: Settings, mandate_id: str) -> str:
    """End a mandate."""
    with transaction(settings.database_url) as session:
        mandates.end(session, mandate_id, SystemClock().now())
        session.commit()
    return f"mandate {mandate_id} has ended"


@contextmanager
def _engine(settings: Settings) -> Iterator[Engine]:
    engine = create_engine(settings.database_url)
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def progress_bar(size: int, label: str) -> Iterator[Callable[[int], None]]:
    """A progress bar on a terminal, for work that takes a while."""
    if size < EVERY or not sys.stderr.isatty():
        yield lambda _done: None
        return
    with click.progressbar(length=size, label=label, file=sys.stderr) as bar:

        def progress(done: int) -> None:
            if done - bar.pos >= EVERY or done == size:
                bar.update(done - bar.pos)

        yield progress


def _say_witnesses(opened: Opened) -> None:
    for one in opened.witnesses:
        click.echo(f"cosigned by {one.key.name}" + (f" at {rfc3339(one.at)}" if one.at else ""))


def _key(text: str) -> VerifierKey:
    path = Path(text)
    return VerifierKey.parse(path.read_text("utf-8") if len(text) < 256 and path.is_file() else text)


def _own_key(environ: Mapping[str, str]) -> VerifierKey | None:
    """The key of this service's own log, when its database is here."""
    try:
        engine = create_engine(database_url(environ, None))
        with Session(engine) as session:
            head = store.head(session)
            return signing.verifier_key(session, (head.checkpoint or "").partition("\n")[0])
    except (CommandError, SQLAlchemyError, RuntimeError):
        return None


def database_url(environ: Mapping[str, str], database: str | None) -> str:
    url = database or database_url_from(environ)
    if "://" not in url:
        if not Path(url).is_file():
            raise CommandError(f"there is no file {url}")
        url = f"sqlite:///{Path(url).resolve()}"
    if url.startswith("sqlite:///") and not Path(url.removeprefix("sqlite:///")).is_file():
        raise CommandError(f"there is no database at {url.removeprefix('sqlite:///')}")
    return url.replace("postgresql://", "postgresql+psycopg://", 1)


def begin(settings: Settings) -> None:
    """Make the log's key where there is none, and refuse a database that is not what was published.

    :raises CommandError: the log is halted, with what to do
    """
    with _engine(settings) as engine:
        Sequencer.of(engine, settings, SystemClock()).prepare()
        with writing_to(engine) as session:
            halted = store.head(session).halted
    if halted:
        raise CommandError(halted)

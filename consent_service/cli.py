"""The command line: ``consent-service``."""

from __future__ import annotations

import datetime as dt
import json
import os
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from consent_service import commands
from consent_service.config import from_environ, policy_dir_from
from consent_service.errors import ConfigurationError, ServiceError
from consent_service.grants.catalogue import CatalogueError
from consent_service.keys.jws import Algorithm
from consent_service.policy.engine import PolicyError

AUTH_METHODS = (
    "private_key_jwt",
    "tls_client_auth",
    "self_signed_tls_client_auth",
    "client_secret_basic",
    "client_secret_post",
)
KNOWN = (ConfigurationError, ServiceError, PolicyError, CatalogueError, commands.CommandError)


def clear(command: Callable[..., Any]) -> Callable[..., Any]:
    """Turn an error that we know into one line and exit code 2."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except KNOWN as error:
            text = error.description if isinstance(error, ServiceError) else str(error)
            click.echo(f"consent-service: {text}", err=True)
            sys.exit(2)

    return run


@click.group()
@click.version_option(package_name="consent-service")
def main() -> None:
    """Permission to read a business's data: given, checked on every request, proven."""


@main.command()
@click.option("--port", type=int, default=8000, show_default=True)
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True)
@click.option("--tls-cert", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--tls-key", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@clear
def serve(port: int, host: str, workers: int, tls_cert: Path | None, tls_key: Path | None) -> None:
    """Run the service."""
    from consent_service.commands import serve as command

    command.run(dict(os.environ), command.Listen(host, port, workers, tls_cert, tls_key))


@main.command()
@click.option("--story", is_flag=True, help="Play the whole story without a person, and say what happened.")
@click.option(
    "--saft", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A SAF-T Financial file."
)
@clear
def demo(*, story: bool, saft: Path | None) -> None:
    """Run service, register, eID, ERP system and bank on this machine, ready to try."""
    from consent_service.commands.demo import run

    sys.exit(run(story=story, saft=saft))


@main.group("db")
def database() -> None:
    """The database."""


@database.command("upgrade")
@clear
def database_upgrade() -> None:
    """Bring the tables up to date."""
    from consent_service.commands import database as command

    click.echo(command.upgrade(os.environ))


@database.command("purge")
@clear
def database_purge() -> None:
    """Delete all that has ended at once; the running service does it by itself, a little at a time."""
    from consent_service.commands import database as command

    click.echo(command.purge(from_environ(os.environ)))


@main.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@clear
def seed(file: Path) -> None:
    """Register the organisations and clients of a YAML file."""
    from consent_service.commands import register as command

    for line in command.seed(from_environ(os.environ), file):
        click.echo(line)


@main.group()
def keys() -> None:
    """The service's signing keys."""


@keys.command("rotate")
@click.option(
    "--alg",
    "algorithms",
    multiple=True,
    type=click.Choice([one.value for one in Algorithm]),
    help="By default all.",
)
@click.option("--now", "at_once", is_flag=True, help="Don't announce it first: the key before it was stolen.")
@clear
def keys_rotate(algorithms: tuple[str, ...], *, at_once: bool) -> None:
    """Make new signing keys; those before them stay published until the last of their tokens ends."""
    from consent_service.commands import keys as command

    wanted = [Algorithm(one) for one in algorithms] or list(Algorithm)
    for line in command.rotate(from_environ(os.environ), wanted, at_once=at_once):
        click.echo(line)


@keys.command("withdraw", context_settings={"ignore_unknown_options": True})  # a KID may begin with "-"
@click.argument("kid")
@clear
def keys_withdraw(kid: str) -> None:
    """Publish a retired key no more: what it signed counts no longer."""
    from consent_service.commands import keys as command

    click.echo(command.withdraw(from_environ(os.environ), kid))


@keys.command("list")
@click.option("--json", "as_json", is_flag=True)
@clear
def keys_list(*, as_json: bool) -> None:
    """Every signing key there ever was, newest first."""
    from consent_service.commands import keys as command

    listed = command.listed(from_environ(os.environ))
    if as_json:
        click.echo(json.dumps(listed, indent=2))
        return
    for one in listed:
        click.echo(f"{one['algorithm']}  {one['state']:9}  since {one['signs_from']}  {one['kid']}")


@main.group()
def ledger() -> None:
    """The ledger."""


@ledger.command("verify")
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--database", help="An SQLite file or a database URL; by default the configured one.")
@click.option("--url", help="A log over HTTP, for example https://consent.example.no/ledger.")
@click.option("--key", help="The log's public key, or a file that holds it.")
@click.option(
    "--checkpoint",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A checkpoint that you remembered: the log must go on from it; only what came after is walked.",
)
@click.option(
    "--witness", "witnesses", multiple=True, help="A witness's public key, to say what it cosigned."
)
@clear
def ledger_verify(
    file: Path | None,
    database: str | None,
    url: str | None,
    key: str | None,
    checkpoint: Path | None,
    witnesses: tuple[str, ...],
) -> None:
    """Verify a proof FILE, a remote log (--url), or a whole database; exit 1 and name what does not hold."""
    from consent_service.commands import ledger as command

    trust = command.Trust.of(key, checkpoint, witnesses)
    if file is not None:
        sys.exit(command.verify_file(file, trust, os.environ))
    sys.exit(command.verify_log(url, trust) if url else command.verify_database(os.environ, database, trust))


@ledger.command("replay")
@click.option("--from", "start", type=click.IntRange(min=0), default=0, help="First entry to decide again.")
@click.option("--to", "end", type=click.IntRange(min=0), help="Last entry to decide again.")
@click.option(
    "--policies",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Decide by this policy directory instead: what would have changed?",
)
@click.option("--database", help="An SQLite file or a database URL; by default the configured one.")
@click.option("--json", "as_json", is_flag=True)
@clear
def ledger_replay(
    *, start: int, end: int | None, policies: Path | None, database: str | None, as_json: bool
) -> None:
    """Decide every recorded decision again from the entries alone; exit 1 on any difference."""
    from consent_service.commands import replay as command

    sys.exit(command.run(os.environ, database, (start, end), policies, as_json=as_json))


@ledger.command("sequence")
@click.option("--once", is_flag=True, help="Stop when nothing waits.")
@clear
def ledger_sequence(*, once: bool) -> None:
    """Run a sequencer of its own, beside those of the workers."""
    from consent_service.commands import ledger as command

    click.echo(command.sequence(from_environ(os.environ), once=once))


@ledger.command("resume")
@clear
def ledger_resume() -> None:
    """Let a halted log go on, once the database is again what was published."""
    from consent_service.commands import ledger as command

    click.echo(command.resume(from_environ(os.environ)))


@ledger.command("erase")
@click.argument("entry_ids", nargs=-1)
@click.option("--person", help="Erase everything in which this person acted.")
@click.option("--reason", required=True)
@clear
def ledger_erase(entry_ids: tuple[str, ...], person: str | None, reason: str) -> None:
    """Erase payloads for ever; entries and proofs stay."""
    from consent_service.commands import ledger as command

    for line in command.erase(from_environ(os.environ), entry_ids, person, reason):
        click.echo(line)


@main.group()
def policy() -> None:
    """The policies that decide."""


DIRECTORY = click.Path(exists=True, file_okay=False, path_type=Path)


@policy.command("test")
@click.argument("directory", required=False, type=DIRECTORY)
@clear
def policy_test(directory: Path | None) -> None:
    """Run the cases in DIRECTORY/tests (by default CONSENT_POLICY_DIR's); exit 1 on any surprise."""
    from consent_service.commands import policy as command

    sys.exit(command.test(directory or policy_dir_from(os.environ)))


@policy.command("check")
@click.argument("directory", required=False, type=DIRECTORY)
@clear
def policy_check(directory: Path | None) -> None:
    """Fail on a policy that does not fit the schema, can never apply, or is always shadowed."""
    from consent_service.commands import policy as command

    sys.exit(command.check(directory or policy_dir_from(os.environ)))


@policy.command("publish")
@click.argument("directory", required=False, type=DIRECTORY)
@clear
def policy_publish(directory: Path | None) -> None:
    """Let DIRECTORY (by default CONSENT_POLICY_DIR) decide from now on, on every running worker."""
    from consent_service.commands import policy as command

    click.echo(command.publish(from_environ(os.environ), directory or policy_dir_from(os.environ)))


@policy.command("diff")
@click.argument("before", type=DIRECTORY)
@click.argument("after", type=DIRECTORY)
@click.option("--cases-only", is_flag=True, help="Leave the recorded decisions of the database alone.")
@clear
def policy_diff(before: Path, after: Path, *, cases_only: bool) -> None:
    """Show which cases, and which recorded decisions of the configured database, come out otherwise."""
    from consent_service.commands import policy as command

    sys.exit(command.diff(dict(os.environ), before, after, cases_only=cases_only))


@main.group()
def mandate() -> None:
    """Supervisors' mandates to read what lies behind ledger entries."""


@mandate.command("give")
@click.argument("client_id")
@click.option("--owner", "owners", multiple=True, help="An owner; by default all.")
@click.option("--kind", "kinds", multiple=True, help="For example decision or grant; by default all.")
@click.option("--basis", required=True, help="The legal basis, in words that an owner can look up.")
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), required=True)
@clear
def mandate_give(
    client_id: str, owners: tuple[str, ...], kinds: tuple[str, ...], basis: str, until: dt.datetime
) -> None:
    """Give a supervisor's client a mandate."""
    from consent_service.commands import ledger as command
    from consent_service.registry.mandates import Scope

    end = until.replace(tzinfo=dt.UTC)
    settings = from_environ(os.environ)
    click.echo(command.give_mandate(settings, client_id, Scope(owners, kinds), basis, end))


@mandate.command("end")
@click.argument("mandate_id")
@clear
def mandate_end(mandate_id: str) -> None:
    """End a mandate at once."""
    from consent_service.commands import ledger as command

    click.echo(command.end_mandate(from_environ(os.environ), mandate_id))


@main.group()
def client() -> None:
    """Requesting parties' and data holders' clients."""


@client.command("register")
@click.option("--role", type=click.Choice(["party", "holder", "supervisor", "login"]), required=True)
@click.option("--name", required=True, help="What the client is called.")
@click.option("--org", required=True, help="Its organisation, for example 0192:923609016.")
@click.option("--jwks", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Public JWK Set.")
@click.option(
    "--new-key", type=click.Path(dir_okay=False, path_type=Path), help="Write a new private JWK here."
)
@click.option("--redirect-uri", "redirect_uris", multiple=True)
@click.option(
    "--resource", "resources", multiple=True, help="Where a holder serves data (its tokens' audience)."
)
@click.option("--profile", type=click.Choice(["fapi2", "oidc"]), default="fapi2", show_default=True)
@click.option("--auth", type=click.Choice(AUTH_METHODS), default=AUTH_METHODS[0], show_default=True)
@click.option(
    "--metadata",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A JSON file with more client metadata (RFC 7591 section 2), for example post_logout_redirect_uris.",
)
@click.option(
    "--certificate",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="PEM: for self_signed_tls_client_auth the one to accept, for tls_client_auth the subject to accept.",
)
@click.option("--tls-subject-dn", help="For tls_client_auth: the certificate's subject, as RFC 4514 has it.")
@click.option("--tls-san-dns", help="For tls_client_auth: a DNS name in the certificate.")
@click.option("--certificate-bound", is_flag=True, help="Its tokens are bound to its certificate (RFC 8705).")
@click.option("--client-id", default="", help="By default a random one.")
@click.option("--dpop", is_flag=True, help="Its tokens are bound to a DPoP key (RFC 9449), never bearer's.")
@click.option("--json", "as_json", is_flag=True)
@clear
def client_register(**options: Any) -> None:
    """Register a client of an organisation."""
    from consent_service.commands import register as command

    click.echo(command.client(from_environ(os.environ), options))


@client.command("invite")
@click.option("--role", type=click.Choice(["party", "holder", "supervisor", "login"]), required=True)
@click.option("--org", required=True, help="Whose clients, for example 0192:923609016.")
@click.option("--name", default="", help="The organisation's name, where it is not known here yet.")
@click.option("--profile", type=click.Choice(["fapi2", "oidc"]), default="fapi2", show_default=True)
@click.option("--resource", "resources", multiple=True, help="Where a holder's client serves data.")
@click.option("--uses", type=click.IntRange(1, 1000), default=1, show_default=True, help="So many clients.")
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), required=True)
@click.option("--json", "as_json", is_flag=True)
@clear
def client_invite(**options: Any) -> None:
    """Let an organisation register clients itself: prints the initial access token, this once."""
    from consent_service.commands import enrol as command

    click.echo(command.invite(from_environ(os.environ), options))


@client.command("uninvite")
@click.argument("invitation_id")
@clear
def client_uninvite(invitation_id: str) -> None:
    """Let no more clients come of an invitation."""
    from consent_service.commands import enrol as command

    click.echo(command.uninvite(from_environ(os.environ), invitation_id))


@client.command("end")
@click.argument("client_id")
@clear
def client_end(client_id: str) -> None:
    """End a client for ever: no decision permits it anything, its tokens are dead; grants stay visible."""
    from consent_service.commands import enrol as command

    click.echo(command.end(from_environ(os.environ), client_id))


@main.group()
def party() -> None:
    """Organisations that take part."""


@party.command("suspend")
@click.argument("organisation")
@click.option("--reason", required=True)
@clear
def party_suspend(organisation: str, reason: str) -> None:
    """Refuse an organisation's clients from the next decision on."""
    from consent_service.commands import register as command

    click.echo(command.set_standing(from_environ(os.environ), organisation, "suspended", reason))


@party.command("resume")
@click.argument("organisation")
@click.option("--reason", required=True)
@clear
def party_resume(organisation: str, reason: str) -> None:
    """Let a suspended organisation take part again."""
    from consent_service.commands import register as command

    click.echo(command.set_standing(from_environ(os.environ), organisation, "active", reason))


@party.command("license")
@click.argument("organisation")
@click.argument("licence")
@click.option("--source", required=True, help="The authority that gave it, in words that can be looked up.")
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), required=True)
@clear
def party_license(organisation: str, licence: str, source: str, until: dt.datetime) -> None:
    """Record a LICENCE that purposes of the catalogue ask for, for example credit."""
    from consent_service.commands import register as command

    end = until.replace(tzinfo=dt.UTC)
    click.echo(command.license_party(from_environ(os.environ), organisation, licence, source, end))


@party.command("unlicense")
@click.argument("organisation")
@click.argument("licence")
@click.option("--reason", required=True)
@clear
def party_unlicense(organisation: str, licence: str, reason: str) -> None:
    """End a licence: from the next decision on, what needs it is refused."""
    from consent_service.commands import register as command

    click.echo(command.end_licence(from_environ(os.environ), organisation, licence, reason))


@main.group()
def holder() -> None:
    """Data holders and the owners that they serve."""


@holder.command("serve")
@click.argument("client_id")
@click.argument("owners", nargs=-1)
@click.option("--everybody", is_flag=True, help="Lift the limit: it may ask about every owner again.")
@clear
def holder_serve(client_id: str, owners: tuple[str, ...], *, everybody: bool) -> None:
    """Record OWNERS that a holder's client serves; from the first one on it may ask about no others."""
    from consent_service.commands import register as command

    click.echo(command.serve(from_environ(os.environ), client_id, owners, everybody=everybody))


@holder.command("unserve")
@click.argument("client_id")
@click.argument("owners", nargs=-1, required=True)
@clear
def holder_unserve(client_id: str, owners: tuple[str, ...]) -> None:
    """Record OWNERS that a holder's client serves no more; with the last one it serves nobody."""
    from consent_service.commands import register as command

    click.echo(command.unserve(from_environ(os.environ), client_id, owners))


@main.group()
def owner() -> None:
    """Owners whose data it is."""


@owner.command("dispute")
@click.argument("identifier")
@click.option("--reason", required=True)
@clear
def owner_dispute(identifier: str, reason: str) -> None:
    """Suspend all that an owner agreed to, because it is disputed who may act for it."""
    from consent_service.commands import register as command

    click.echo(command.dispute(from_environ(os.environ), identifier, reason, over=False))


@owner.command("settle")
@click.argument("identifier")
@click.option("--reason", required=True)
@clear
def owner_settle(identifier: str, reason: str) -> None:
    """Let what a dispute suspended go on."""
    from consent_service.commands import register as command

    click.echo(command.dispute(from_environ(os.environ), identifier, reason, over=True))


@main.group()
def grant() -> None:
    """Grants that owners gave, or a law opened."""


@grant.command("history")
@click.argument("grant_id")
@click.option("--json", "as_json", is_flag=True)
@clear
def grant_history(grant_id: str, *, as_json: bool) -> None:
    """Show a grant's versions, who made each and by which ledger entry, and what was decided under them."""
    from consent_service.commands import grants as command

    for line in command.history(from_environ(os.environ), grant_id, as_json=as_json):
        click.echo(line)


@main.group()
def register() -> None:
    """Business registers."""


@register.command("show")
@click.argument("organisation")
@clear
def register_show(organisation: str) -> None:
    """Show what the register says of an ORGANISATION: standing, posts, who binds it, and how old that is."""
    from consent_service.commands import registers as command

    for line in command.show(from_environ(os.environ), organisation):
        click.echo(line)


@register.command("check")
@click.argument("organisations", nargs=-1)
@clear
def register_check(organisations: tuple[str, ...]) -> None:
    """Look now at ORGANISATIONS, or at all that are due; who is bankrupt or gone has grants suspended."""
    from consent_service.commands import registers as command

    for line in command.check(from_environ(os.environ), organisations):
        click.echo(line)


@grant.command("revoke")
@click.argument("grant_id")
@click.option("--channel", type=click.Choice(["phone", "letter", "in_person"]), required=True)
@click.option("--note", required=True, help="Who said so, and how they showed who they are.")
@clear
def grant_revoke(grant_id: str, channel: str, note: str) -> None:
    """Take a grant back for its owner, who said so by phone, by letter or in person."""
    from consent_service.commands import grants as command

    click.echo(command.revoke(from_environ(os.environ), grant_id, channel, note))


@main.group()
def signal() -> None:
    """Streams of security events to other systems."""


@signal.command("list")
@clear
def signal_list() -> None:
    """Show every stream: id, receiver, delivery, status, how much waits."""
    from consent_service.commands import signals as command

    for line in command.streams(from_environ(os.environ)):
        click.echo(line)


@signal.command("status")
@click.argument("stream_id")
@click.argument("status", type=click.Choice(["enabled", "paused", "disabled"]))
@click.option("--reason", required=True, help="Told to the receiver.")
@clear
def signal_status(stream_id: str, status: str, reason: str) -> None:
    """Enable, pause or disable a stream; its receiver is told."""
    from consent_service.commands import signals as command

    click.echo(command.set_status(from_environ(os.environ), stream_id, status, reason))


@signal.command("send")
@click.option("--stream", "stream_id", help="By default every stream.")
@click.option(
    "--event",
    "events",
    multiple=True,
    type=click.Choice(["session-revoked", "credential-change", "token-claims-change"]),
    help="By default all of them.",
)
@click.option("--subject", help="The subject of the ID tokens of whom it is about; by default nobody's.")
@clear
def signal_send(stream_id: str | None, events: tuple[str, ...], subject: str | None) -> None:
    """In the sandbox only: send events of which nothing is true, to try a receiver or a transmitter."""
    from consent_service.commands import signals as command

    for line in command.send(from_environ(os.environ), stream_id, events, subject):
        click.echo(line)


@main.command()
@click.option("--client", "client_id", required=True)
@click.option("--key", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=True)
@click.option("--scope", default="decisions", show_default=True)
@click.option("--issuer", envvar="CONSENT_ISSUER", required=True, help="By default CONSENT_ISSUER.")
@clear
def token(client_id: str, key: Path, scope: str, issuer: str) -> None:
    """Get an access token by client credentials from the running service and print it."""
    from consent_service.commands import register as command

    click.echo(command.token(issuer, client_id, key, scope))


@main.command()
@clear
def doctor() -> None:
    """Say what is set up and what is missing."""
    from consent_service.commands import doctor as command

    sys.exit(command.run(os.environ))

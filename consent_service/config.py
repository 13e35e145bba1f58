"""Typed settings from ``CONSENT_*`` environment variables, checked once, at start.

A wrong or missing setting raises :class:`~consent_service.errors.ConfigurationError`
with one line that names it. No secret has a default outside the sandbox.
"""

from __future__ import annotations

import datetime as dt
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from consent_service.errors import ConfigurationError

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
AUTHORITY = re.compile(r"([A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?", re.ASCII)
"""Host and port (RFC 3986 section 3.2), without what else may stand there: such a host goes into headers
that give ``;``, ``*`` and quotes a meaning of their own."""
SECRET_KEY_LENGTH = 32  # characters; `openssl rand -base64 32` gives 44
KEY_ROTATION = "P90D"
LIMIT_CLIENT, LIMIT_ADDRESS = 6_000, 12_000
POLICIES = Path(__file__).resolve().parent.parent / "policies"


COUNTRIES = ("NO", "SE", "DK", "FI", "IS")


@dataclass(frozen=True, slots=True)
class RegisterAccess:
    """Where a country's business register is, and what opens it; URLs are without a trailing slash."""

    country: str
    url: str
    persons_url: str = ""
    """Where it is a second service that knows people: Finland's signatories, Iceland's procurations."""
    token_url: str = ""
    user: str = ""
    secret: str = ""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the service must know before it starts; URLs are without a trailing slash."""

    issuer: str
    secret_key: str
    home: Path
    database_url: str
    policy_dir: Path
    sandbox: bool = False
    trusted_proxies: int = 0
    eid_issuer: str = ""
    eid_client_id: str = ""
    eid_client_secret: str = ""
    eid_country: str = ""
    """The ISO 3166 country whose numbers the eID gives, where it does not say so itself."""
    register_url: str = ""
    registers: tuple[RegisterAccess, ...] = ()
    ledger_origin: str = ""
    witnesses: tuple[str, ...] = ()
    dpop_nonce_required: bool = False
    listener_secret: str = ""
    mtls_ca: Path | None = None
    mtls_url: str = ""
    software_issuers: Path | None = None
    """A file with those whose software statements count."""
    key_rotation: dt.timedelta | None = None
    """How long a signing key signs; None for ever."""
    limit_client: int = LIMIT_CLIENT
    """Requests a minute of one client, and of one address below; 0 for any number."""
    limit_address: int = LIMIT_ADDRESS

    @property
    def log(self) -> str:
        """The ledger's name (C2SP tlog-checkpoint origin): by default its address without the scheme."""
        return self.ledger_origin or f"{urlsplit(self.issuer).netloc}/ledger"

    @property
    def host(self) -> str:
        """The issuer's host name, which is also the relying party id of passkeys."""
        return urlsplit(self.issuer).hostname or ""


def home_from(environ: Mapping[str, str]) -> Path:
    """The folder for database, keys and logs (``CONSENT_HOME``, default ``var``)."""
    return Path(environ.get("CONSENT_HOME") or "var").resolve()


def database_url_from(environ: Mapping[str, str]) -> str:
    """``CONSENT_DATABASE_URL``, by default an SQLite file in the home folder."""
    url = environ.get("CONSENT_DATABASE_URL") or f"sqlite:///{home_from(environ) / 'consent.db'}"
    # SQLAlchemy would pick psycopg2 for the bare scheme that most people write.
    return url.replace("postgresql://", "postgresql+psycopg://", 1)


def from_environ(environ: Mapping[str, str]) -> Settings:
    """Read and check every setting.

    :raises ConfigurationError: the first setting that is missing or wrong, and what to do
    """
    home = home_from(environ)
    sandbox = _flag(environ, "CONSENT_SANDBOX")
    return Settings(
        issuer=_issuer(environ.get("CONSENT_ISSUER", "")),
        secret_key=_secret_key(environ.get("CONSENT_SECRET_KEY", ""), home, sandbox=sandbox),
        home=home,
        database_url=database_url_from(environ),
        policy_dir=policy_dir_from(environ),
        sandbox=sandbox,
        trusted_proxies=_count(environ, "CONSENT_TRUSTED_PROXIES", "proxies", 0),
        eid_issuer=_url(environ, "CONSENT_EID_ISSUER"),
        eid_client_id=environ.get("CONSENT_EID_CLIENT_ID", "consent-service"),
        eid_client_secret=environ.get("CONSENT_EID_CLIENT_SECRET", ""),
        eid_country=_eid_country(environ.get("CONSENT_EID_COUNTRY", "")),
        register_url=_url(environ, "CONSENT_REGISTER_URL"),
        registers=tuple(one for country in COUNTRIES if (one := _register(environ, country))),
        ledger_origin=_origin(environ.get("CONSENT_LEDGER_ORIGIN", "")),
        witnesses=tuple(environ.get("CONSENT_WITNESSES", "").split()),
        dpop_nonce_required=_choice(environ, "CONSENT_DPOP_NONCE", "optional", "required") == "required",
        listener_secret=_listener_secret(environ.get("CONSENT_LISTENER_SECRET", "")),
        mtls_ca=Path(value).resolve() if (value := environ.get("CONSENT_MTLS_CA", "")) else None,
        mtls_url=_url(environ, "CONSENT_MTLS_URL"),
        software_issuers=Path(listed) if (listed := environ.get("CONSENT_SOFTWARE_ISSUERS")) else None,
        key_rotation=_period(environ.get("CONSENT_KEY_ROTATION") or KEY_ROTATION),
        limit_client=_count(environ, "CONSENT_LIMIT_CLIENT", "requests a minute", LIMIT_CLIENT),
        limit_address=_count(environ, "CONSENT_LIMIT_ADDRESS", "requests a minute", LIMIT_ADDRESS),
    )


def check_origin(url: str) -> str | None:
    """Say what is wrong with ``url`` as an address of ours or a peer's, or return None.

    https everywhere; plain http for this machine only (RFC 8252 section 8.3 draws the same line).
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "is not a URL"
    if parts.scheme not in {"https", "http"} or not host:
        return "must be an https URL"
    if not AUTHORITY.fullmatch(parts.netloc.rpartition("@")[2]) or " " in url:
        return "must name one host as DNS does, or an IP address, and have no space"
    if parts.scheme == "http" and host not in LOOPBACK:
        return "must be https; plain http is for localhost only"
    if parts.query or parts.fragment or "@" in parts.netloc:
        return "must have no query, fragment or user name"
    return None


def _issuer(value: str) -> str:
    if not value:
        raise ConfigurationError(
            "CONSENT_ISSUER is not set: give the https address under which clients reach this "
            "service, for example https://consent.example.no"
        )
    if wrong := check_origin(value):
        raise ConfigurationError(f"CONSENT_ISSUER {wrong}: {value}")
    if urlsplit(value).path.strip("/"):
        raise ConfigurationError(f"CONSENT_ISSUER must have no path: {value}")
    return value.rstrip("/")


def _register(environ: Mapping[str, str], country: str) -> RegisterAccess | None:
    """``CONSENT_REGISTER_NO_URL`` and its kin; credentials without an address are a mistake."""
    name = f"CONSENT_REGISTER_{country}"
    parts = {part: _url(environ, f"{name}_{part}") for part in ("URL", "PERSONS_URL", "TOKEN_URL")}
    user, secret = environ.get(f"{name}_USER", ""), environ.get(f"{name}_SECRET", "")
    if not parts["URL"]:
        if user or secret or any(parts.values()):
            raise ConfigurationError(f"{name}_URL is not set, and something else of {name}_… is")
        return None
    return RegisterAccess(country, parts["URL"], parts["PERSONS_URL"], parts["TOKEN_URL"], user, secret)


def _eid_country(value: str) -> str:
    if value and value not in COUNTRIES:
        raise ConfigurationError(f"CONSENT_EID_COUNTRY must be one of {', '.join(COUNTRIES)}, not {value!r}")
    return value


def _origin(value: str) -> str:
    if not value.isprintable() or " " in value or "+" in value or len(value) > 255:
        raise ConfigurationError(
            f"CONSENT_LEDGER_ORIGIN must have no space, no plus sign and at most 255 characters: {value!r}"
        )
    return value


def _period(value: str) -> dt.timedelta | None:
    if value == "never":
        return None
    days = re.fullmatch(r"P(\d{1,4})D", value, re.ASCII)
    if days is None or int(days[1]) == 0:
        raise ConfigurationError(
            f"CONSENT_KEY_ROTATION must be a number of days such as P90D, or never: {value!r}"
        )
    return dt.timedelta(days=int(days[1]))


def _secret_key(value: str, home: Path, *, sandbox: bool) -> str:
    if value:
        if len(value) < SECRET_KEY_LENGTH:
            raise ConfigurationError(
                f"CONSENT_SECRET_KEY has {len(value)} characters and needs {SECRET_KEY_LENGTH}: "
                "make one with `openssl rand -base64 32`"
            )
        return value
    if not sandbox:
        raise ConfigurationError(
            "CONSENT_SECRET_KEY is not set: make one with `openssl rand -base64 32` and keep it; "
            "signing keys in the database can't be opened without it"
        )
    # The sandbox keeps one of its own, so that a second start can open what the first one sealed.
    path = home / "sandbox-secret-key"
    if not path.exists():
        home.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(SECRET_KEY_LENGTH))
    return path.read_text().strip()


def _listener_secret(value: str) -> str:
    if value and (len(value) < SECRET_KEY_LENGTH or not value.isascii() or not value.isprintable()):
        raise ConfigurationError(
            f"CONSENT_LISTENER_SECRET needs {SECRET_KEY_LENGTH} printable ASCII characters: "
            "make one with `openssl rand -base64 32`"
        )
    return value.strip()


def policy_dir_from(environ: Mapping[str, str]) -> Path:
    """``CONSENT_POLICY_DIR``, by default the policies that come with the service.

    :raises ConfigurationError: no schema there
    """
    value = environ.get("CONSENT_POLICY_DIR", "")
    directory = Path(value).resolve() if value else POLICIES
    if not (directory / "schema.cedarschema").is_file():
        raise ConfigurationError(f"CONSENT_POLICY_DIR has no schema.cedarschema: {directory}")
    return directory


def _flag(environ: Mapping[str, str], name: str) -> bool:
    value = environ.get(name, "").lower()
    if value in {"", "0", "false", "no", "off"}:
        return False
    if value in {"1", "true", "yes", "on"}:
        return True
    raise ConfigurationError(f"{name} must be 1 or 0, not {value!r}")


def _choice(environ: Mapping[str, str], name: str, *values: str) -> str:
    value = environ.get(name, "") or values[0]
    if value not in values:
        raise ConfigurationError(f"{name} must be one of {', '.join(values)}, not {value!r}")
    return value


def _count(environ: Mapping[str, str], name: str, what: str, usual: int) -> int:
    value = environ.get(name) or str(usual)
    if not value.isascii() or not value.isdigit() or len(value) > 9:
        raise ConfigurationError(f"{name} must be a whole number of {what}, not {value!r}")
    return int(value)


def _url(environ: Mapping[str, str], name: str) -> str:
    value = environ.get(name, "")
    if value and (wrong := check_origin(value)):
        raise ConfigurationError(f"{name} {wrong}: {value}")
    return value.rstrip("/")

"""The application factory: one place where the rooms are put together."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import structlog
from flask import Flask, Response, g, jsonify, render_template, request
from flask_babel import Babel
from flask_migrate import Migrate
from flask_wtf.csrf import CSRFError, CSRFProtect
from sqlalchemy import select
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.proxy_fix import ProxyFix

from consent_service.clock import Clock, SystemClock
from consent_service.config import Settings
from consent_service.courier import Courier
from consent_service.db import db, group, reading
from consent_service.errors import ServiceError
from consent_service.ledger.sequencer import Sequencer
from consent_service.ledger.store import HeadRow, LedgerHalted
from consent_service.oauth.edge import Edge as TokenEdge
from consent_service.oauth.views import blueprint as oauth
from consent_service.oauth.views import server as oauth_server
from consent_service.outgoing import Outgoing
from consent_service.policy import search
from consent_service.policy.api import blueprint as decisions
from consent_service.policy.edge import Edge as DecisionEdge
from consent_service.policy.publish import from_directory
from consent_service.policy.rulebook import Rulebook
from consent_service.portal import access
from consent_service.portal.views import blueprint as portal
from consent_service.registry.eid import EidBroker
from consent_service.registry.floods import Floods
from consent_service.registry.limits import TooMany
from consent_service.registry.nonces import Nonces
from consent_service.registry.registers import together as registers
from consent_service.registry.remembered import Remembered
from consent_service.registry.statements import Issuers
from consent_service.signals.api import blueprint as signals
from consent_service.signals.status_list import Made
from consent_service.signals.status_list import blueprint as status_lists
from consent_service.signals.teller import Teller
from consent_service.transparency.api import blueprint as transparency
from consent_service.upkeep.keeper import Keeper
from consent_service.web import headers, languages, logs, texts
from consent_service.web.certificate_names import Authorities
from consent_service.web.current import current, now, provide
from consent_service.web.session import ServerSessions
from consent_service.web.texts import gettext as _

LARGEST_BODY = 256 * 1024  # bytes; the largest form and the largest question are far below
CONNECTIONS = 20  # kept open by a worker: one for each of its threads, the sequencer's, some to spare
MIGRATIONS = "migrations"


def create_app(settings: Settings, clock: Clock | None = None) -> Flask:
    """Make the service.

    :param clock: another one for tests
    :raises ConfigurationError: a setting does not fit
    :raises PolicyError: the policy set does not hold
    :raises CatalogueError: the catalogue does not hold
    """
    app = Flask(__name__, static_folder=None)
    app.config.update(
        SECRET_KEY=settings.secret_key,
        SQLALCHEMY_DATABASE_URI=settings.database_url,
        SQLALCHEMY_ENGINE_OPTIONS={
            "pool_pre_ping": not settings.database_url.startswith("sqlite"),  # a file does not go away
            "pool_size": CONNECTIONS,
            "pool_use_lifo": True,  # the one used last has the pages that are used most
        },
        MAX_CONTENT_LENGTH=LARGEST_BODY,
        MAX_FORM_MEMORY_SIZE=LARGEST_BODY,
        BABEL_DEFAULT_LOCALE="en",
        WTF_CSRF_TIME_LIMIT=None,  # as long as the session
        WTF_CSRF_SSL_STRICT=False,  # it wants a Referer, and we send none; the token is what counts
    )
    app.session_interface = ServerSessions()
    db.init_app(app)
    Migrate(app, db, directory=MIGRATIONS)
    Babel(
        app,
        configure_jinja=False,
        locale_selector=languages.of_request,
        timezone_selector=access.time_zone,
    )
    texts.init_app(app)
    book = Rulebook(from_directory(settings.policy_dir))
    provide(
        app,
        settings,
        book,
        EidBroker(
            settings.eid_issuer,
            settings.eid_client_id,
            settings.eid_client_secret,
            f"{settings.issuer}/sign-in/eid/callback",
            settings.eid_country,
        ),
        Nonces.of(settings.secret_key, required=settings.dpop_nonce_required),
        Outgoing(settings.sandbox),
        Issuers.load(settings.software_issuers),
        Remembered(),
        clock=clock or SystemClock(),
        agreements=book,
        readers=partial(search.readers, book=book),
    )
    if settings.mtls_ca:
        provide(app, Authorities(settings.mtls_ca))
    with app.app_context():
        register = registers.of(settings, db.engine)
        provide(
            app,
            Sequencer.of(db.engine, settings, clock or SystemClock()),
            Made(),
            Keeper.of(db.engine, settings, clock or SystemClock(), register),
            Courier.of(db.engine, settings, clock or SystemClock()),
            Teller(db.engine, settings, clock or SystemClock()),
            Floods.of(settings),
            register=register,
        )
    headers.init_app(app, https=settings.issuer.startswith("https:"))
    logs.init_app(app)
    oauth_server.init_app(app)
    csrf = CSRFProtect(app)
    for machine_edge in (
        oauth,
        decisions,
        transparency,
        status_lists,
        signals,
    ):  # they know their callers by keys and tokens, not by cookies
        csrf.exempt(machine_edge)
        app.register_blueprint(machine_edge)
    app.register_blueprint(portal)
    app.context_processor(lambda: {"sandbox": settings.sandbox})
    _add_operations(app)
    _add_error_pages(app)
    _add_nonces(app)
    _add_language(app)
    _add_edges(app, https=settings.issuer.startswith("https:"))
    if settings.trusted_proxies:
        hops = settings.trusted_proxies
        _stand_before(app, ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops))
    return app


def _add_language(app: Flask) -> None:
    @app.after_request
    def say_the_language(response: Response) -> Response:
        languages.declare(response, texts.language())
        return response


def _add_nonces(app: Flask) -> None:
    @app.after_request
    def offer_a_nonce(response: Response) -> Response:
        """Whoever showed a DPoP proof can bind the next one to this minute (RFC 9449 sections 8.2 and 9)."""
        if "HTTP_DPOP" in request.environ:
            response.headers["DPoP-Nonce"] = current(Nonces).make(now())
        return response


def _add_edges(app: Flask, *, https: bool) -> None:
    """What answers its usual requests before the framework; a proxy's word is heard before them."""
    with app.app_context():
        engine = db.engine
    _stand_before(app, TokenEdge(app, engine, group(engine), https=https))
    _stand_before(app, DecisionEdge(app, group(engine), https=https))


def _stand_before(app: Flask, what: Callable[..., Any]) -> None:
    """Flask's own way to put something in front: what the server calls is an attribute, typed as a method."""
    cast("Any", app).wsgi_app = what


def _add_operations(app: Flask) -> None:
    @app.get("/healthz")
    def healthz() -> Response:
        """The process answers."""
        return jsonify(status="ok")

    @app.get("/readyz")
    def readyz() -> Response:
        """The database answers, has its tables, and the ledger takes entries."""
        halted = reading().scalar(select(HeadRow.halted))
        if halted:
            raise LedgerHalted(halted)
        return jsonify(status="ok")


def _add_error_pages(app: Flask) -> None:
    """Every error becomes a page or, for whoever asked for JSON, a problem (RFC 9457)."""

    @app.errorhandler(ServiceError)
    def service_error(error: ServiceError) -> Response:
        structlog.get_logger().info("refused", error=error.code, problem=error.detail or None)
        response = app.make_response(_error(error.status, _title(error.status), _(error.description)))
        if isinstance(error, TooMany):
            g.failed = True  # nobody is looked up for a page that says to wait
            response.headers["Retry-After"] = str(error.retry_after)
        return response

    @app.errorhandler(CSRFError)
    def csrf_error(_reason: CSRFError) -> tuple[Response | str, int]:
        return _error(400, _("This page is too old"), _("Go back, load the page again, and try once more."))

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> Response:
        status = error.code or 500
        body, _status = (
            (_page(status, _title(status), _advice(status)), status)
            if _reads_pages()
            else _problem(status, error.name, _title(status))
        )
        response = app.make_response((body, status))
        for name, value in error.get_headers():
            if name.lower() not in {"content-type", "content-length"}:  # a 405 keeps its Allow
                response.headers[name] = value
        return response

    @app.errorhandler(Exception)
    def unexpected(error: Exception) -> tuple[Response | str, int]:
        g.failed = True  # the page for it must not ask the database
        # The place, never the message: a message can carry what someone sent.
        frame = traceback.extract_tb(sys.exc_info()[2])[-1]
        where = f"{type(error).__name__} at {frame.name}:{frame.lineno}"
        structlog.get_logger().error("unexpected", exception=where)
        return _error(500, _title(500), _("Nothing was changed. Please try again."))


def _title(status: int) -> str:
    titles = {
        400: _("That did not work"),
        403: _("This is not yours to see"),
        404: _("There is nothing here"),
        409: _("Something changed meanwhile"),
        413: _("That was too much"),
        429: _("That was too often"),
        503: _("Something we need is not answering"),
    }
    return titles.get(
        status, _("Something went wrong on our side") if status >= 500 else _("That did not work")
    )


def _advice(status: int) -> str:
    if status in {404, 405}:
        return _("Check the address, or go on from the overview.")
    return _("Go back, load the page again, and try once more.")


def _error(status: int, title: str, text: str) -> tuple[Response | str, int]:
    """A page for whoever reads pages, a problem for everybody else."""
    if _reads_pages():
        return _page(status, title, text), status
    return _problem(status, title, text)


def _reads_pages() -> bool:
    return not request.is_json and "text/html" in request.headers.get("Accept", "")


def _problem(status: int, title: str, text: str) -> tuple[Response, int]:
    response = jsonify(type="about:blank", title=title, status=status, detail=text)
    response.mimetype = "application/problem+json"
    return response, status


def _page(status: int, title: str, text: str) -> str:
    # What went wrong may be the database, so this page asks it nothing.
    nobody: dict[str, Any] = {"person": None, "organisations": [], "owner": None}
    page = {"status": status, "title": title, "text": text, "request_id": g.get("request_id", "")}
    return render_template("error.html", **page, **nobody)

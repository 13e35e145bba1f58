"""What every command has in common: an error that we know is one line."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from consent_service import commands
from consent_service.errors import ConfigurationError, ServiceError
from consent_service.grants.catalogue import CatalogueError
from consent_service.policy.engine import PolicyError

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

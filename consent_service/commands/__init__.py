"""What the command line does, a file for each kind of work."""


class CommandError(Exception):
    """A command that can't do its work; the message says why in one line."""

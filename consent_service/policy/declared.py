"""What a Cedar schema declares, read from its text.

cedarpy checks against a schema but does not tell what is in it, and what the schema does
not declare must be dropped before evaluation (DESIGN section 6). This reads the grammar of
Cedar's human-readable schema (docs.cedarpolicy.com, "Human-readable schema grammar") into
types; cedarpy itself has already refused what is not a schema.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

TOKEN = re.compile(
    r'\s+|//[^\n]*|(?P<text>"(?:[^"\\]|\\.)*")|(?P<name>[A-Za-z_][\w]*(?:::[A-Za-z_]\w*)*)|(?P<mark>.)'
)

ESCAPE = re.compile(r"\\(?:u\{(?P<code>[0-9a-fA-F]+)\}|(?P<plain>.))", re.DOTALL)
PLAIN = {"n": "\n", "r": "\r", "t": "\t", "0": "\0"}
"""What escapes of Cedar's texts stand for; after every other backslash stands the character itself."""


@dataclass(frozen=True, slots=True)
class Type:
    """A declared type: a primitive's, a container's, an extension's or an entity's name."""

    name: str
    element: Type | None = None
    members: dict[str, Member] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a record, and whether it must be there."""

    type: Type
    required: bool


RECORD = "Record"


@dataclass(slots=True)
class Declared:
    """Entities with their attributes, actions with their contexts, and names for types."""

    entities: dict[str, Type] = field(default_factory=dict)
    contexts: dict[str, Type] = field(default_factory=dict)
    types: dict[str, Type] = field(default_factory=dict)

    def resolve(self, of: Type) -> Type:
        """A type with its alias looked up."""
        seen = 0
        while of.name in self.types and seen < len(self.types):
            of, seen = self.types[of.name], seen + 1
        return of


def read(schema: str) -> Declared:
    """Read a schema that cedarpy has parsed already."""
    return _Reader(schema).declarations()


class _Reader:
    """Recursive descent, one method a rule of the grammar."""

    def __init__(self, text: str) -> None:
        self._tokens = [match.group() for match in TOKEN.finditer(text) if match.lastgroup]
        self._at = 0
        self._declared = Declared()
        self._namespace = ""

    def declarations(self) -> Declared:
        while self._peek():
            self._declaration()
        return self._declared

    def _declaration(self) -> None:
        self._annotations()
        keyword = self._next()
        if keyword == "namespace":
            self._namespace = self._next() + "::"
            self._expect("{")
            while self._peek() != "}":
                self._declaration()
            self._expect("}")
            self._namespace = ""
        elif keyword == "entity":
            self._entity()
        elif keyword == "action":
            self._action()
        elif keyword == "type":
            name = self._namespace + self._next()
            self._expect("=")
            self._declared.types[name] = self._type()
            self._expect(";")
        else:
            raise ValueError(f"a schema declaration can't begin with {keyword!r}")

    def _entity(self) -> None:
        names = [self._namespace + name for name in self._names()]
        shape = Type(RECORD)
        while (token := self._next()) != ";":
            if token == "{":
                shape = self._record()
            elif token == "in":
                self._names_or_list()
            elif token == "tags":
                self._type()
            elif token == "enum":
                self._names_or_list()
            elif token != "=":
                raise ValueError(f"unexpected {token!r} in an entity")
        for name in names:
            self._declared.entities[name] = shape

    def _action(self) -> None:
        names = self._names()
        context = Type(RECORD)
        while (token := self._next()) != ";":
            if token == "in":
                self._names_or_list()
            elif token == "appliesTo":
                context = self._applies_to() or context
        for name in names:
            self._declared.contexts[name] = context

    def _applies_to(self) -> Type | None:
        context = None
        self._expect("{")
        while (part := self._next()) != "}":
            if part == ",":
                continue
            self._expect(":")
            if part == "context":
                context = self._type()
            else:
                self._names_or_list()
        return context

    def _type(self) -> Type:
        token = self._next()
        if token == "{":
            return self._record()
        if token == "Set":
            self._expect("<")
            element = self._type()
            self._expect(">")
            return Type("Set", element)
        name = token.removeprefix("__cedar::")
        qualified = self._namespace + name
        return Type(qualified if qualified in {**self._declared.types, **self._declared.entities} else name)

    def _record(self) -> Type:
        members: dict[str, Member] = {}
        while self._peek() != "}":
            self._annotations()
            name = _bare(self._next())
            required = self._peek() != "?"
            if not required:
                self._next()
            self._expect(":")
            members[name] = Member(self._type(), required)
            if self._peek() == ",":
                self._next()
        self._expect("}")
        return Type(RECORD, members=members)

    def _names(self) -> list[str]:
        names = [_bare(self._next())]
        while self._peek() == ",":
            self._next()
            names.append(_bare(self._next()))
        return names

    def _names_or_list(self) -> None:
        if self._peek() != "[":
            self._names()
            return
        while self._next() != "]":
            pass

    def _annotations(self) -> None:
        while self._peek() == "@":
            self._next()
            self._next()
            if self._peek() == "(":
                while self._next() != ")":
                    pass

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _next(self) -> str:
        token = self._peek()
        if not token:
            raise ValueError("the schema ends in the middle of a declaration")
        self._at += 1
        return token

    def _expect(self, token: str) -> None:
        if (found := self._next()) != token:
            raise ValueError(f"{token!r} expected, not {found!r}")


def _bare(token: str) -> str:
    return ESCAPE.sub(_unescaped, token[1:-1]) if token.startswith('"') else token


def _unescaped(escape: re.Match[str]) -> str:
    code, plain = escape.group("code", "plain")
    return chr(int(code, 16)) if code else PLAIN.get(plain, plain)

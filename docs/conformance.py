"""Write docs/conformance.md from the tests: ``python docs/conformance.py``; lint checks that it is current."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEAD = """# Conformance
Which test shows which rule. Generated from the tests by `make conformance`; a rule that is not here is not claimed.
"""


def main() -> None:
    """One section a test file, one line a test."""
    parts = [HEAD]
    for path in sorted((ROOT / "tests").glob("*/test_*.py")):
        tree = ast.parse(path.read_text())
        title = (ast.get_docstring(tree) or path.stem).splitlines()[0]
        names = [
            node.name.removeprefix("test_").replace("_s_", "'s ").replace("_t_", "'t ").replace("_", " ")
            for node in tree.body
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
        ]
        parts.append(f"## {title}\n`{path.relative_to(ROOT)}`\n" + "".join(f"- {name}\n" for name in names))
    (ROOT / "docs" / "conformance.md").write_text("\n".join(parts))


if __name__ == "__main__":
    main()

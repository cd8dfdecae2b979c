"""Links from pages to the source: `` `path/to/file.py::Class.method` `` leads to that line on a page with the file.

The same text is what pytest takes for a test, and what a reader of the Markdown looks for.
"""

from __future__ import annotations

import ast
import html
import re
from collections.abc import Iterator
from pathlib import Path

from docutils import nodes
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.osutil import relative_uri

ROOT = Path(__file__).parents[2]
PLACE = re.compile(r"((?:actors|supervisors|teams|tests|benchmarks|examples|docs)/[\w/]+\.py)(?:::([\w.]+))?")


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("env-purge-doc", purge)
    app.connect("env-merge-info", merge)
    app.connect("doctree-resolved", link)
    app.connect("html-collect-pages", pages)
    app.connect("doctree-read", note)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def used(env: BuildEnvironment) -> dict[str, set[str]]:
    """Page -> the files it links to."""
    table: dict[str, set[str]] = env.__dict__.setdefault("letitcrash_sources", {})
    return table


def purge(app: Sphinx, env: BuildEnvironment, page: str) -> None:
    used(env).pop(page, None)


def merge(app: Sphinx, env: BuildEnvironment, pages: list[str], other: BuildEnvironment) -> None:
    used(env).update({page: files for page, files in used(other).items() if page in pages})


def places(tree: nodes.document) -> Iterator[tuple[nodes.literal, str, str]]:
    for literal in list(tree.findall(nodes.literal)):
        match = PLACE.fullmatch(literal.astext())
        if match and not isinstance(literal.parent, nodes.reference) and (ROOT / match[1]).is_file():
            yield literal, match[1], match[2] or ""


def note(app: Sphinx, tree: nodes.document) -> None:
    page = app.env.docname
    used(app.env)[page] = {file for _, file, _ in places(tree)}


def link(app: Sphinx, tree: nodes.document, page: str) -> None:
    if app.builder.format != "html":
        return
    here = app.builder.get_target_uri(page)
    for literal, file, name in places(tree):
        line = line_of(file, name)
        uri = relative_uri(here, app.builder.get_target_uri(page_of(file))) + (f"#L-{line}" if line else "")
        reference = nodes.reference("", "", refuri=uri, internal=True)
        literal.replace_self(reference)
        reference += literal


def page_of(file: str) -> str:
    return "source/" + file.removesuffix(".py").replace("/", ".")


_lines: dict[str, dict[str, int]] = {}


def line_of(file: str, name: str) -> int:
    """The line of a class or function by its qualified name, or by its last part where that is enough. 0: none."""
    if file not in _lines:
        _lines[file] = dict(definitions((ROOT / file).read_text(encoding="utf-8")))
    table = _lines[file]
    return table.get(name) or next((line for full, line in table.items() if full.rpartition(".")[2] == name), 0)


def definitions(text: str) -> Iterator[tuple[str, int]]:
    """The qualified name and the line of every class and function."""

    def walk(node: ast.AST, owner: str) -> Iterator[tuple[str, int]]:
        for each in ast.iter_child_nodes(node):
            if isinstance(each, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                name = f"{owner}.{each.name}" if owner else each.name
                yield name, each.lineno
                yield from walk(each, name)

    return walk(ast.parse(text), "")


def pages(app: Sphinx) -> Iterator[tuple[str, dict[str, object], str]]:
    """A page for every file that a page links to."""
    formatter = HtmlFormatter(linenos="inline", anchorlinenos=True, lineanchors="L", wrapcode=True)
    for file in sorted(set().union(*used(app.env).values())):
        text = (ROOT / file).read_text(encoding="utf-8")
        body = f"<h1>{html.escape(file)}</h1>{highlight(text, PythonLexer(), formatter)}"
        yield page_of(file), {"title": file, "body": body, "parents": []}, "page.html"

"""The Python blocks of pages as modules for type checkers (`docs/typecheck.py`)."""

from __future__ import annotations

import importlib.util
from types import ModuleType

import pytest

from tests.test_docs import ROOT, text_of

PAGE = """# A page

```python
# desk.py
def ask(text: str) -> str:
    return text
```

Text, and a file of another language.

```toml
id = "x"
```

```python
from desk import ask

import os
```

```python
answer = ask("what?")
```
"""


@pytest.fixture(scope="module")
def typecheck() -> ModuleType:
    """`docs/typecheck.py` as a module."""
    spec = importlib.util.spec_from_file_location("typecheck", ROOT / "docs" / "typecheck.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_line_of_a_module_has_its_number_on_the_page(typecheck: ModuleType) -> None:
    """Guards a reader of an error: its line is that of the page."""
    modules = typecheck.modules(PAGE, "built.page")
    assert set(modules) == {"desk", "page"}
    on_page = PAGE.splitlines()
    for text in modules.values():
        for number, line in enumerate(text.splitlines()):
            assert line in ("", on_page[number], "from built.page.desk import ask")
    assert modules["page"].splitlines()[-1] == 'answer = ask("what?")'


def test_a_file_of_a_page_is_a_module_that_its_other_blocks_import(typecheck: ModuleType) -> None:
    modules = typecheck.modules(PAGE, "built.page")
    assert "from built.page.desk import ask\n" in modules["page"]
    assert "import os\n" in modules["page"]


def test_each_block_of_a_page_may_be_a_module_of_its_own(typecheck: ModuleType) -> None:
    """As in the README, of which a reader pastes one block."""
    modules = typecheck.modules(PAGE, "built.page", alone=True)
    assert list(modules) == ["desk", "block2", "block3"]
    assert "import os" not in modules["block3"]


def test_every_python_block_of_every_page_is_checked(typecheck: ModuleType) -> None:
    """Guards against a page that the search does not find."""
    found = list(typecheck.pages())
    assert ROOT / "README.md" in found
    for page in (ROOT / "docs").rglob("*.md"):
        if "_build" not in page.parts:
            assert (page in found) == ("\n```python\n" in text_of(page))


def test_an_error_names_the_page_and_not_the_file_made_from_it(typecheck: ModuleType) -> None:
    file, page = ROOT / "docs/_build/typed/docs_a/page.py", ROOT / "docs/a.md"
    output = f"{file.relative_to(ROOT)}:3: error: no\n  {file}:4:1 - error: no\n"
    assert typecheck.on_pages(output, {file: page}) == "docs/a.md:3: error: no\n  docs/a.md:4:1 - error: no\n"

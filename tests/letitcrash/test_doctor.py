"""`letitcrash doctor`, and how packages are found without importing them."""

from __future__ import annotations

import importlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import letitcrash
from letitcrash import _doctor
from letitcrash._packages import find, foreign, shadows_in

HOME = Path(letitcrash.__file__).parents[1]


def distribution(folder: Path, name: str, *files: str, requires: str = "", version: str = "1.0") -> None:
    """Notes that a distribution is installed, with these files."""
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requires}\n")
    (info / "RECORD").write_text("".join(f"{each},,\n" for each in files))


def doctor(monkeypatch: pytest.MonkeyPatch, here: Path, *path: Path) -> tuple[bool, str]:
    """The report in a folder, for programs with this path before the usual one."""
    monkeypatch.chdir(here)
    monkeypatch.setattr(sys, "path", [*map(str, path), *sys.path])
    importlib.invalidate_caches()
    lines: list[str] = []
    healthy = _doctor.report(lines.append)
    return healthy, "".join(lines)


def line(report: str, subject: str) -> str:
    """What the report says of one subject."""
    (found,) = (each for each in report.splitlines() if each.startswith(f"{subject} "))
    return found.removeprefix(subject).strip()


def test_a_healthy_installation_is_called_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Versions, packages with their files, loop and signals are named."""
    healthy, report = doctor(monkeypatch, tmp_path)
    assert healthy, report
    assert line(report, "letitcrash").startswith(letitcrash.__version__)
    assert line(report, "actors") == str(HOME / "actors" / "__init__.py")
    assert "asyncio" in line(report, "event loop")
    assert "Python" in line(report, "signals")
    assert report.splitlines()[-1].strip() == "healthy"


def test_a_file_of_this_folder_that_shadows_a_package_is_wrong(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The script has another folder in front of its path than `python program.py` has."""
    (tmp_path / "supervisors").mkdir()
    shadow = tmp_path / "supervisors" / "__init__.py"
    shadow.write_text("")
    healthy, report = doctor(monkeypatch, tmp_path)
    assert not healthy
    assert f"WRONG: {shadow} stands in front of the package" in report


def test_a_second_distribution_with_a_package_of_ours_is_wrong(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The later installation has overwritten files of the earlier one, in silence."""
    distribution(tmp_path / "site", "stage-play", "actors/__init__.py", "actors/play.py")
    healthy, report = doctor(monkeypatch, tmp_path, tmp_path / "site")
    assert not healthy
    assert "WRONG: stage-play installs a package of this name, too" in report


def test_a_missing_extra_is_named_with_its_command_and_not_wrong(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Extras are a choice; what the distribution itself needs is not."""
    extra = "Requires-Dist: no-such-part>=1; extra == 'tea'\nRequires-Dist: pytest; extra == 'tea'"
    distribution(tmp_path / "site", "letitcrash", requires=extra, version=letitcrash.__version__)
    healthy, report = doctor(monkeypatch, tmp_path, tmp_path / "site")
    assert line(report, "[tea]") == "missing no-such-part: pip install 'letitcrash[tea]'"
    assert healthy


def test_a_missing_requirement_and_a_second_version_are_wrong(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Guards an installation without its dependencies, and a checkout in front of an older installation."""
    distribution(tmp_path / "site", "letitcrash", requires="Requires-Dist: no-such-part>=1", version="0.0.1")
    healthy, report = doctor(monkeypatch, tmp_path, tmp_path / "site")
    assert not healthy
    assert "WRONG: no-such-part missing" in line(report, "needs")
    assert "WRONG: version 0.0.1 is installed" in line(report, "installed")


def test_the_command_exits_with_1_where_something_is_wrong(tmp_path: Path) -> None:
    """And it runs without the packages, which it cannot import here."""
    (tmp_path / "actors.py").write_text("raise SystemError('it is not imported')")
    done = subprocess.run(
        [sys.executable, "-m", "letitcrash", "doctor"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(HOME)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1, done.stderr
    assert f"WRONG: letitcrash needs its own package 'actors', but Python found {tmp_path / 'actors.py'}" in done.stdout


@pytest.mark.parametrize("source", ["", "x = 1", "\0", "'__letitcrash__ = True'"])
def test_what_is_not_marked_as_ours_is_not_ours(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, source: str) -> None:
    """Another module of the name, also one that overwrote ours in its folder, or cannot be read."""
    (tmp_path / "actors").mkdir()
    (tmp_path / "actors" / "__init__.py").write_text(source)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.delitem(sys.modules, "actors")
    importlib.invalidate_caches()
    found = find("actors")
    assert not found.is_ours
    assert found.where == str(tmp_path / "actors" / "__init__.py")
    assert [each.name for each in foreign()] == ["actors"]
    assert list(shadows_in(tmp_path)) == [("actors", tmp_path / "actors" / "__init__.py")]


def test_a_folder_without_code_is_not_ours_and_stands_behind_ours(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A namespace package is found only if there is nothing else."""
    (tmp_path / "actors").mkdir()
    monkeypatch.delitem(sys.modules, "actors")
    with monkeypatch.context() as patch:
        patch.setattr(sys, "path", [str(tmp_path), *sys.path])
        assert find("actors").is_ours
    with monkeypatch.context() as patch:
        patch.setattr(sys, "path", [str(tmp_path)])
        patch.setattr(sys, "meta_path", [each for each in sys.meta_path if "editable" not in repr(each)])
        importlib.invalidate_caches()
        assert find("actors") == ("actors", str(tmp_path / "actors"), False)


def test_a_package_overwritten_by_another_distribution_is_told_so(tmp_path: Path) -> None:
    """The file is where ours was, so there is nothing to rename."""
    shutil.copytree(HOME / "letitcrash", tmp_path / "letitcrash")
    (tmp_path / "actors").mkdir()
    (tmp_path / "actors" / "__init__.py").write_text("plays = ()")
    code = "from letitcrash._packages import find; print(find('actors').problem); print(find('teams').problem)"
    done = subprocess.run(
        [sys.executable, "-S", "-I", "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {code}"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    overwritten, lost = done.stdout.splitlines()
    assert "that of another distribution in" in overwritten
    assert lost == "letitcrash needs its own package 'teams', but Python found none: install letitcrash again"

"""Packages that are absent or broken count as absent, with the install line."""

import math
import sys

import pytest

from skmultimodal._optional import import_optional

NEEDED = {"extra": "text", "purpose": "TextEncoder(model='m')"}


def test_what_is_there():
    assert import_optional("math", **NEEDED) is math


def test_what_is_absent():
    with pytest.raises(ImportError) as info:
        import_optional("no_such_package", **NEEDED)
    assert str(info.value) == (
        "TextEncoder(model='m') needs the package 'no_such_package', which is not "
        "installed. Install it with `pip install 'skmultimodal[text]'`."
    )
    assert isinstance(info.value.__cause__, ModuleNotFoundError)


@pytest.mark.parametrize(
    "line",
    [
        "raise ImportError('libx is missing')",
        "raise RuntimeError('libx is missing')",
        "raise OSError('libx is missing')",
        "import sys; sys.libx_is_missing",
        "import another_absent_package as libx",
    ],
)
def test_what_is_broken(line, tmp_path, monkeypatch):
    (tmp_path / "broken_package.py").write_text(line)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(
        ImportError, match=r"'broken_package', which does not import \(.*skmultimodal\["
    ):
        import_optional("broken_package", **NEEDED)
    assert "broken_package" not in sys.modules

"""Where real data are found, how many cores a test uses, what a run says at its end."""

from __future__ import annotations

import functools
import importlib.util
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

# Before torch is imported: no window, no network, no more cores than our share.
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
N_WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
SHARE = max(1, (os.cpu_count() or 1) // N_WORKERS)
if N_WORKERS > 1:
    os.environ.setdefault("OMP_NUM_THREADS", str(SHARE))

import pytest  # noqa: E402
import torch  # noqa: E402
from hypothesis import HealthCheck, settings  # noqa: E402

if N_WORKERS > 1:
    torch.set_num_threads(SHARE)

settings.register_profile(
    "quick",
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "long", parent=settings.get_profile("quick"), max_examples=300
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))

DATA = Path(
    os.environ.get("SKMULTIMODAL_DATA")
    or Path(__file__).resolve().parents[2] / "shared" / "data"
)
NO_DATA = f"no real data under {DATA} (set SKMULTIMODAL_DATA)"


@functools.cache
def _loader() -> ModuleType | None:
    """The `load_data.py` that lies beside the data sets, if it does."""
    file = DATA / "load_data.py"
    if not file.is_file():
        return None
    spec = importlib.util.spec_from_file_location("skmultimodal_load_data", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def real_data() -> Callable[..., dict[str, Any]]:
    """Load a real set by its name: ``real_data("houses")["modalities"]``.

    The test is skipped where the sets are not at hand. Keep your hands off what it
    gives: tests of one process share it.
    """
    loader = _loader()
    if loader is None:
        pytest.skip(NO_DATA)
    return functools.cache(loader.load)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "real_data" in getattr(item, "fixturenames", ()):
            item.add_marker("data")
        if _loader() is None and item.get_closest_marker("data"):
            item.add_marker(pytest.mark.skip(reason=NO_DATA))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: Any) -> Any:
    result = yield
    skipped = terminalreporter.stats.get("skipped", [])
    n = sum(NO_DATA in str(report.longrepr) for report in skipped)
    tests = "1 test was" if n == 1 else f"{n or 'No'} tests were"
    why = f"skipped: {NO_DATA}" if n else "skipped for want of real data."
    terminalreporter.write_line(f"{tests} {why}")
    return result

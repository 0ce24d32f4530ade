"""One process that has imported everything, for the cases that may kill theirs."""

import pytest


@pytest.fixture(scope="session")
def nursery():
    pytest.importorskip("resource", reason="memory is measured as POSIX does it")
    from ._nursery import Nursery

    nursery = Nursery()
    yield nursery
    nursery.close()

"""Fusions that a test defines are gone when its module is done."""

import gc

import pytest


@pytest.fixture(autouse=True, scope="module")
def forget_fusions():
    yield
    gc.collect()  # one that is still there is one of "all" in other tests

"""What holds for every test of the Python SDKs."""

import gc

import pytest


def pytest_collection_finish():
    """The SDKs' own modules stay as they are: the collector need not look at them again after every test."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def collect_garbage_between_tests():
    """Lets the collector run between tests only.

    The connection pool below the SDKs takes a lock that is not reentrant. Where the collector runs while it is held, and
    finds a response that a failed call left in a cycle, closing that response waits for the same lock for ever.
    """
    gc.disable()
    yield
    gc.collect()

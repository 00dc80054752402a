"""What a quarter needs of the machine: one BLAS thread and no garbage collection in between."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from threadpoolctl import ThreadpoolController


@cache
def _controller() -> ThreadpoolController:
    """The BLAS libraries loaded in this process; looking for them takes milliseconds, so once."""
    return ThreadpoolController()


@contextmanager
def undisturbed() -> Iterator[None]:
    """Linear algebra on one thread, and the collector of reference cycles paused; both as before afterwards.

    A market's matrices are small: threads that wait for each other cost more than they bring, and one thread gives the
    same bits everywhere. A quarter leaves no cycles behind, so the collector would only walk through the records.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        with _controller().limit(limits=1, user_api="blas"):
            yield
    finally:
        if collecting:
            gc.enable()

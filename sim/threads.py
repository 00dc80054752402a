"""One BLAS thread: a market's matrices are small, and threads that wait for each other cost more than they bring."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController


@cache
def _controller() -> ThreadpoolController:
    """The BLAS libraries loaded in this process; looking for them takes milliseconds, so once."""
    return ThreadpoolController()


def one_blas_thread() -> AbstractContextManager[Any]:
    """Within this context linear algebra runs on one thread; the caller's setting returns afterwards."""
    limit: AbstractContextManager[Any] = _controller().limit(limits=1, user_api="blas")
    return limit

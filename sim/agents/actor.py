"""What every agent of the market is: a Mesa agent that does not keep its market alive."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from weakref import WeakKeyDictionary

import mesa


class _Counters(WeakKeyDictionary[mesa.Model, Iterator[int]]):
    """A counter of agents for each market, which goes when the market goes."""

    def __getitem__(self, model: mesa.Model) -> Iterator[int]:
        return self.setdefault(model, itertools.count(1))


class Actor(mesa.Agent):
    """An agent of the market.

    Mesa before 3.5 counts agents in a dictionary by model, kept for ever by the class: every market of a process would
    stay in memory (mesa/mesa#3179). The counters here hold markets weakly.
    """

    _ids = _Counters()  # type: ignore[assignment]

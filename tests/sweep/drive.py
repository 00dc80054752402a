"""The command line on a stand-in market, as a process of its own: drive.py MARKET SHARD_RUNS WORDS..."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "analysis"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import fake_market
import sweep_markets

from analysis import cli
from analysis.commands import sweep
from sim.sweep import store, work

if __name__ == "__main__":
    _, market, shard_runs, *words = sys.argv
    if market != "Market":
        work.Market = getattr(sweep_markets, market, None) or getattr(fake_market, market)
    store.SHARD_RUNS = int(shard_runs)
    sweep.draw_sweep = lambda folder: []  # tests/analysis draws
    sys.argv = ["moatsim", *words]
    cli.main()

"""`Run`: what a run of one scenario left behind, in memory and as a folder on disk."""

from __future__ import annotations

import difflib
import json
import platform
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sim import __version__, measures
from sim.records import BY, COLUMNS, REPLICATION_COLUMN, ShareKeys, tidy_shares
from sim.runs import folder
from sim.scenario import Scenario, load_scenario

TABLES = tuple(name for name in COLUMNS if name != "shares")
SUMMARY_MEASURES = (
    "hhi",
    "cr3",
    "open_share",
    "gap_months",
    "record_training_cost_usd",
    "active_labs",
    "api_spend_usd",
)
SUMMARY_QUARTERS = ("2024Q4", "2027Q4", "2030Q4")  # and the last one
_PACKAGES = ("mesa", "numpy", "scipy", "pandas", "pyarrow", "pydantic")


@dataclass(frozen=True)
class RunInfo:
    """How a run was made. failures: seed to reason."""

    enterprises: int
    workers: int = 1
    wall_time_seconds: float = 0.0
    failures: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ShareCube:
    """The shares of a run: values[replication, quarter, population, lens, key], 0-1, NaN where nothing is counted."""

    values: NDArray[np.float64]
    quarters: tuple[str, ...]
    populations: tuple[str, ...]
    lenses: tuple[str, ...]
    keys: ShareKeys


class Run:
    """What a run of one scenario left behind, for one or several seeds.

    Frames have the index quarter, or (replication, quarter) for several seeds; a replication is called by its seed.
    """

    def __init__(
        self,
        scenario: Scenario,
        seeds: Sequence[int],
        tables: Mapping[str, pd.DataFrame],
        cube: ShareCube,
        info: RunInfo,
    ) -> None:
        self.scenario = scenario
        self.seeds = tuple(seeds)
        self.info = info
        self.cube = cube
        self._tables = dict(tables)

    def __repr__(self) -> str:
        span = f"{self.quarters[0]} to {self.quarters[-1]}" if self.quarters else "no quarter"
        return f"<Run of '{self.scenario.name}', {_count(self.seeds)}, {span}>"

    @property
    def quarters(self) -> tuple[str, ...]:
        """Labels of the simulated quarters, in order."""
        return self.cube.quarters

    @property
    def failures(self) -> Mapping[int, str]:
        """Seeds that did not finish, each with the reason."""
        return self.info.failures

    @cached_property
    def market(self) -> pd.DataFrame:
        """One row a quarter: concentration, gap, prices, spending, adoption (columns: sim.records.MARKET_COLUMNS)."""
        return self._indexed("market")

    @cached_property
    def labs(self) -> pd.DataFrame:
        """One row for each lab and quarter (columns: sim.records.LAB_COLUMNS)."""
        return self._indexed("labs")

    @cached_property
    def funding(self) -> pd.DataFrame:
        """One row a quarter: money raised (columns: sim.records.FUNDING_COLUMNS)."""
        return self._indexed("funding")

    @cached_property
    def events(self) -> pd.DataFrame:
        """One row for each event (columns: sim.records.EVENT_COLUMNS)."""
        return self._indexed("events")

    @cached_property
    def investors(self) -> pd.DataFrame:
        """One row for each investor and quarter: purse, calls, proceeds (units and meanings: docs/model.md)."""
        return self._indexed("investors")

    @cached_property
    def investments(self) -> pd.DataFrame:
        """One row for each investment: who put how much into which lab."""
        return self._indexed("investments")

    @cached_property
    def stakes(self) -> pd.DataFrame:
        """One row for each holder of a lab in the quarters in which its cap table changed."""
        return self._indexed("stakes")

    @cached_property
    def switches(self) -> pd.DataFrame:
        """One row for each move of production workloads between vendors (columns: sim.records.SWITCH_COLUMNS)."""
        return self._indexed("switches")

    @cached_property
    def flows(self) -> pd.DataFrame:
        """One row for each payer, payee and purpose: who pays whom (columns: sim.records.FLOW_COLUMNS)."""
        return self._indexed("flows")

    def _indexed(self, table: str) -> pd.DataFrame:
        data = self._tables[table]
        if len(self.seeds) == 1:
            return data.drop(columns="replication").set_index("quarter")
        return data.set_index(["replication", "quarter"])

    def table(self, name: str) -> pd.DataFrame:
        """A table as it is saved, replication and quarter as columns: market, labs, funding, events, investors, ..."""
        return self._tables[_known("table", name, TABLES)]

    def shares(self, lens: str = "api_spend", by: str = "lab", population: str = "all") -> pd.DataFrame:
        """Shares 0-1, one column for each key. Raises ValueError naming the nearest lens, by or population."""
        cube = self.cube
        lens_at = cube.lenses.index(_known("lens", lens, cube.lenses))
        population_at = cube.populations.index(_known("population", population, cube.populations))
        columns = cube.keys.index(_known("by", by, BY))
        values = cube.values[:, :, population_at, lens_at, columns]
        keys = pd.Index(cube.keys.keys(by), name=by)
        return pd.DataFrame(values.reshape(-1, len(keys)), index=self._share_index(), columns=keys)

    def _share_index(self) -> pd.Index[Any]:
        if len(self.seeds) == 1:
            return pd.Index(self.quarters, name="quarter")
        return pd.MultiIndex.from_product([self.seeds, self.quarters], names=["replication", "quarter"])

    def concentration(self, lens: str = "api_spend", by: str = "owner", population: str = "all") -> pd.DataFrame:
        """hhi (0-10,000), cr1, cr3, cr4 (0-1) and effective_labs under a lens; null where nothing is counted.

        by: owner (labs under common control count as one) or lab. Raises ValueError for a lens whose shares overlap.
        """
        _known("by", by, ("owner", "lab"))
        if lens in measures.OVERLAPPING_LENSES:
            raise ValueError(
                f"lens '{lens}' counts a buyer once for each lab it uses, so its shares have no concentration"
            )
        shares = self.shares(lens, by, population)
        columns: dict[str, Callable[[NDArray[np.float64]], float]] = {
            "hhi": measures.hhi,
            "cr1": lambda row: measures.concentration_ratio(row, 1),
            "cr3": lambda row: measures.concentration_ratio(row, 3),
            "cr4": lambda row: measures.concentration_ratio(row, 4),
            "effective_labs": measures.effective_number,
        }
        rows = shares.to_numpy()
        return pd.DataFrame({name: [of(row) for row in rows] for name, of in columns.items()}, index=shares.index)

    def gap(self) -> pd.DataFrame:
        """How far the best open model is behind the best closed one: oom, months, elo."""
        columns = {"gap_oom": "oom", "gap_months": "months", "gap_elo": "elo"}
        return self.market[list(columns)].rename(columns=columns)

    def summary(self) -> dict[str, Any]:
        """Median, 10 % and 90 % over the seeds of the main measures at a few quarters and the last; JSON-ready."""
        last = self.quarters[-1:]
        quarters = [quarter for quarter in SUMMARY_QUARTERS if quarter in self.quarters and quarter not in last]
        market = self.table("market")
        rows = {quarter: market[market["quarter"] == quarter] for quarter in [*quarters, *last]}
        return {
            "scenario": self.scenario.name,
            "title": self.scenario.title,
            "scenario_hash": self.scenario.hash,
            "seeds": list(self.seeds),
            "failed_seeds": [{"seed": seed, "error": reason} for seed, reason in self.failures.items()],
            "measures": {
                name: {quarter: _spread(row[name].to_numpy()) for quarter, row in rows.items()}
                for name in SUMMARY_MEASURES
            },
            "api_spend_shares_by_owner": self._last_shares(),
            "units": {c.name: c.unit for c in COLUMNS["market"] if c.name in SUMMARY_MEASURES},
        }

    def _last_shares(self) -> dict[str, dict[str, float | None]]:
        """Owners' shares of API spend in the last quarter, the largest median first."""
        if not self.quarters:
            return {}
        shares = self.shares(by="owner")
        last = shares[shares.index.get_level_values("quarter") == self.quarters[-1]]
        spreads = {str(owner): _spread(last[owner].to_numpy()) for owner in last.columns}
        return dict(sorted(spreads.items(), key=lambda item: -(item[1]["median"] or 0.0)))

    def save(self, path: str | Path, csv: bool = False, command: Sequence[str] = ()) -> Path:
        """Write a run folder. Raises sim.runs.folder.FolderError when the folder is in use or holds other files."""
        with self.claim(Path(path), command) as claimed:
            self.save_into(claimed, csv)
        return Path(path)

    def claim(self, path: Path, command: Sequence[str] = ()) -> folder.RunFolder:
        """The right to write `path`, to be entered with `with`."""
        return folder.RunFolder(path, manifest_head(self.scenario, self.seeds, command))

    def save_into(self, claimed: folder.RunFolder, csv: bool = False) -> None:
        """Write tables, scenario and summary into a folder held by the caller, the manifest last."""
        claimed.begin()
        folder.write_text(claimed.path / folder.RESOLVED, self.scenario.to_toml())
        for name in COLUMNS:
            _write_table(self, claimed.path, name)
            if csv:
                _write_csv(self, claimed.path, name)
        folder.write_json(claimed.path / folder.SUMMARY, self.summary())
        claimed.finish(
            {
                "status": "partial" if self.failures else "complete",
                "seeds": list(self.seeds),
                "failed_seeds": [{"seed": seed, "error": reason} for seed, reason in self.failures.items()],
                "quarters": [self.quarters[0], self.quarters[-1]] if self.quarters else [],
                "enterprises": self.info.enterprises,
                "workers": self.info.workers,
                "wall_time_seconds": round(self.info.wall_time_seconds, 3),
                "finished": now(),
            }
        )


def _count(seeds: Sequence[int]) -> str:
    return f"seed {seeds[0]}" if len(seeds) == 1 else f"{len(seeds)} seeds"


def _known(what: str, name: str, known: Iterable[str]) -> str:
    """The name itself when it is known. Raises ValueError with the nearest one and all of them."""
    names = list(known)
    if name in names:
        return name
    near = difflib.get_close_matches(str(name), names, 1, 0.5)
    hint = f"did you mean '{near[0]}'? " if near else ""
    raise ValueError(f"unknown {what} '{name}'; {hint}known: {', '.join(names)}")


def _spread(values: NDArray[np.float64]) -> dict[str, float | None]:
    """Median, 10 % and 90 % quantile of the finite values; null without any."""
    finite = values[np.isfinite(values)].astype(np.float64)
    if not finite.size:
        return {"median": None, "p10": None, "p90": None}
    low, median, high = np.quantile(finite, (0.1, 0.5, 0.9)).tolist()
    return {"median": median, "p10": low, "p90": high}


# ---- the run folder ----


def manifest_head(scenario: Scenario, seeds: Sequence[int], command: Sequence[str] = ()) -> dict[str, Any]:
    """What a manifest can say before the run: scenario, seeds, versions, commit, platform, command."""
    return {
        "scenario": scenario.name,
        "title": scenario.title,
        "scenario_hash": scenario.hash,
        "seeds": list(seeds),
        **provenance(),
        "command": list(command),
        "started": now(),
    }


def provenance() -> dict[str, Any]:
    """With what and where results are made: versions, commit, platform."""
    return {
        "versions": {"moatsim": __version__, "python": platform.python_version(), **_package_versions()},
        "commit": _commit(),
        "platform": platform.platform(),
    }


def _package_versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "unknown"
    return found


def _commit() -> str | None:
    """The commit of this source tree; null when it is not a clone of its own or git is missing."""
    root = Path(__file__).resolve().parent.parent.parent
    if not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), "rev-parse", "HEAD"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip() or None


def now() -> str:
    """The time as manifests say it: UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _write_table(result: Run, path: Path, name: str) -> None:
    metadata = {"moatsim": __version__}
    if name == "shares":
        metadata["shares"] = json.dumps(_cube_axes(result))
    schema = folder.arrow_schema((REPLICATION_COLUMN, *COLUMNS[name]), metadata)
    batches = (pa.Table.from_pandas(frame, preserve_index=False) for frame in _frames(result, name))
    cast = (batch.replace_schema_metadata(None).cast(schema.remove_metadata()) for batch in batches)
    folder.write_parquet(path / f"{name}.parquet", schema, (_with(schema, batch) for batch in cast))


def _with(schema: pa.Schema, batch: pa.Table) -> pa.Table:
    """The batch under the schema that carries units and meanings."""
    return pa.Table.from_arrays(batch.columns, schema=schema)


def _write_csv(result: Run, path: Path, name: str) -> None:
    def write(temporary: Path) -> None:
        for number, frame in enumerate(_frames(result, name)):
            frame.to_csv(temporary, mode="a" if number else "w", header=not number, index=False)

    folder.write_atomic(path / f"{name}.csv", write)


def _frames(result: Run, name: str) -> Iterator[pd.DataFrame]:
    """A table in pieces: the shares of one seed at a time (they are long), another table whole."""
    if name != "shares":
        yield result.table(name)
        return
    for seed, values in zip(result.seeds, result.cube.values, strict=True):
        tidy = tidy_shares(values, result.cube.quarters, result.cube.keys)
        tidy.insert(0, REPLICATION_COLUMN.name, np.full(len(tidy), seed, dtype=np.int64))
        yield tidy


def _cube_axes(result: Run) -> dict[str, Any]:
    cube = result.cube
    return {
        "seeds": list(result.seeds),
        "quarters": list(cube.quarters),
        "populations": list(cube.populations),
        "lenses": list(cube.lenses),
        "keys": [list(pair) for pair in cube.keys.pairs],
    }


def open_run(path: str | Path) -> Run:
    """Read a run folder. Raises sim.runs.folder.FolderError when it is none, unfinished or damaged."""
    place = Path(path)
    manifest = folder.read_manifest(place)
    if manifest.get("status") not in ("complete", "partial"):
        raise folder.FolderError(f"{place} holds a run that is not finished (status {manifest.get('status')})")
    try:
        tables = {name: pq.read_table(place / f"{name}.parquet").to_pandas() for name in TABLES}
        seeds, cube = _read_cube(place / "shares.parquet")
        info = RunInfo(
            enterprises=manifest["enterprises"],
            workers=manifest["workers"],
            wall_time_seconds=manifest["wall_time_seconds"],
            failures={entry["seed"]: entry["error"] for entry in manifest["failed_seeds"]},
        )
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise folder.FolderError(f"{place} is damaged: {error}") from error
    scenario = replace(load_scenario(place / folder.RESOLVED), name=manifest["scenario"])
    return Run(scenario, seeds, tables, cube, info)


def _read_cube(path: Path) -> tuple[tuple[int, ...], ShareCube]:
    """The seeds and shares of a shares.parquet: rows are in C order of the axes that its metadata names."""
    axes = json.loads(pq.read_schema(path).metadata[b"shares"])
    keys = ShareKeys(tuple((by, key) for by, key in axes["keys"]))
    shape = (*(len(axes[name]) for name in ("seeds", "quarters", "populations", "lenses")), len(keys))
    column = pq.read_table(path, columns=["share"])["share"]
    values = column.to_numpy().astype(np.float64).reshape(shape)
    cube = ShareCube(values, tuple(axes["quarters"]), tuple(axes["populations"]), tuple(axes["lenses"]), keys)
    return tuple(axes["seeds"]), cube

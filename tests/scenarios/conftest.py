"""A small schema with every shape a scenario file may have: the loader knows no particular parameter."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, model_validator

from sim.scenario import Scenario, load_scenario

Load = Callable[..., Scenario]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, validate_assignment=True, allow_inf_nan=False)


class Technology(Section):
    """How fast things move."""

    growth: float = Field(ge=1, le=10, description="growth of cost", json_schema_extra={"unit": "x per year"})
    lag: int = Field(ge=0, le=12, description="delay", json_schema_extra={"unit": "quarters"})
    active: bool = Field(description="switch")
    creed: Literal["open", "closed"] = Field(description="what is preached")
    grid: list[float] = Field(description="points")
    label: str = Field(description="a text")


class Round(Section):
    """A dated round."""

    quarter: str = Field(pattern=r"^\d{4}Q[1-4]$", description="when")
    amount: float = Field(ge=1, le=1e12, description="new money", json_schema_extra={"unit": "USD"})
    backers: dict[str, float] = Field(description="who", default={})
    source: str = Field(description="where it is from")


class Shock(Section):
    """A dated change."""

    quarter: str = Field(description="when")
    value: float | str | None = Field(description="new value", default=None)
    factor: float | None = Field(description="or a factor", default=None)

    @model_validator(mode="after")
    def _one(self) -> "Shock":
        if (self.value is None) == (self.factor is None):
            raise ValueError("give either 'value' or 'factor'")
        return self


class Lab(Section):
    """A lab."""

    cash: float = Field(ge=0, le=1e12, description="cash", json_schema_extra={"unit": "USD"})
    region: Literal["us", "eu"] = Field(description="home")
    parent: str | None = Field(description="owner", default=None)
    bias: dict[Literal["us", "eu"], Annotated[float, Field(ge=0, le=1)]] = Field(description="bias")
    rounds: list[Round] = Field(description="rounds", default=[])


class Toy(Section):
    """A whole file."""

    technology: Technology
    labs: dict[str, Lab]
    shocks: list[Shock] = Field(description="changes", default=[])

    @model_validator(mode="after")
    def _references(self) -> "Toy":
        wrong = [f"labs.{key}.parent: no lab '{lab.parent}'" for key, lab in self.labs.items() if lab.parent]
        if wrong:
            raise ValueError("; ".join(wrong))
        return self


BASELINE = """\
title = "The toy"
thesis = "Small is testable."

[technology]
growth = { value = 2.4, source = "S0-04" }
lag = { value = 3, source = "S0-05, P-076; by eye" }
active = { value = true, source = "assumption: on" }
creed = { value = "open", source = "assumption: of old" }
grid = { value = [1, 2.5], source = "assumption: coarse" }
label = { value = "say \\"hi\\"", source = "assumption: polite" }

[labs.openai]
cash = { value = 5e8, source = "P-241" }
region = { value = "us", source = "assumption: seat" }
bias = { us = { value = 0.0, source = "P-001" }, eu = { value = 0.1, source = "P-002" } }

[[labs.openai.rounds]]
quarter = "2023Q1"
amount = 1e9
backers = { microsoft = 1.0 }
source = "P-241"

[labs.mistral]
cash = { value = 1e8, source = "P-242" }
region = { value = "eu", source = "assumption: seat" }
bias = { value = { us = 0.3, eu = 0.0 }, source = "P-003" }

[[shocks]]
quarter = "2024Q1"
factor = 0.5
source = "P-300"
"""


@pytest.fixture
def shipped(tmp_path: Path) -> Path:
    """A folder of shipped scenarios that holds the toy baseline alone."""
    folder = tmp_path / "shipped"
    folder.mkdir()
    (folder / "baseline.toml").write_text(BASELINE)
    return folder


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The folder of the user's own files."""
    folder = tmp_path / "own"
    folder.mkdir()
    return folder


@pytest.fixture
def load(shipped: Path, home: Path) -> Load:
    """Load a text or bytes as the user's file `my.toml`, or a shipped name when given no text."""

    def _load(content: str | bytes | None = None, overrides: Mapping[str, object] | None = None) -> Scenario:
        if content is None:
            return load_scenario("baseline", overrides, schema=Toy, folder=shipped)
        path = home / "my.toml"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return load_scenario(path, overrides, schema=Toy, folder=shipped)

    return _load


@pytest.fixture
def toy() -> type[BaseModel]:
    return Toy


@pytest.fixture
def toy_text() -> str:
    return BASELINE

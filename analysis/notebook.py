"""The tutorial, run from top to bottom: `python -m analysis.notebook` writes its outputs anew.

What is kept with the notebook is what a reader sees: no counts of executions, times, names of kernels, files or users.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

from sim.runs.folder import write_text

TUTORIAL = Path(__file__).resolve().parent / "notebooks" / "tutorial.ipynb"
LONGEST_CELL = 600  # seconds
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


@contextmanager
def executed(path: Path, place: Path) -> Iterator[NotebookClient]:
    """The notebook, run from top to bottom in folder `place`: cells with outputs in `.nb`, the kernel alive within.

    Raises nbclient's CellExecutionError, with the cell's trace, when a cell fails.
    """
    client = NotebookClient(
        nbformat.read(path, as_version=4),
        timeout=LONGEST_CELL,
        kernel_name=KERNEL["name"],
        resources={"metadata": {"path": str(place)}},
        record_timing=False,
    )
    with client.setup_kernel():
        for index, cell in enumerate(client.nb.cells):
            client.execute_cell(cell, index)
        yield client


def printed(client: NotebookClient, expression: str) -> str:
    """What the kernel of a notebook that was run prints for an expression over its variables."""
    cells = client.nb.cells
    cells.append(nbformat.v4.new_code_cell(f"print({expression})"))
    try:
        ran = client.execute_cell(cells[-1], len(cells) - 1)
    finally:
        cells.pop()
    return "".join(output.get("text", "") for output in ran.outputs)


def tidied(notebook: NotebookNode) -> NotebookNode:
    """The notebook without what differs from machine to machine; cells are numbered in place of random ids."""
    notebook.metadata = NotebookNode({"kernelspec": KERNEL, "language_info": {"name": "python"}})
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number:02d}"
        cell.metadata = NotebookNode()
        if cell.cell_type == "code":
            cell.execution_count = None
            for output in cell.outputs:
                if "execution_count" in output:
                    output.execution_count = None
                if "metadata" in output:
                    output.metadata = NotebookNode()
    return notebook


def main() -> None:
    """Run the tutorial in an empty folder and write it back with its outputs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("notebook", nargs="?", type=Path, default=TUTORIAL)
    path = parser.parse_args().notebook
    with TemporaryDirectory() as place:
        try:
            with executed(path, Path(place)) as client:
                notebook = client.nb
        except CellExecutionError as error:
            sys.exit(f"{path}: a cell failed\n{error}")
    write_text(path, nbformat.writes(tidied(notebook)) + "\n")
    print(f"{path}: {path.stat().st_size / 1000:,.0f} kB")


if __name__ == "__main__":
    main()

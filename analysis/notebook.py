"""The tutorial, run from top to bottom: `python -m analysis.notebook` writes its outputs anew.

What is kept with the notebook is what a reader sees: no counts of executions, times, names of kernels, files or users.
"""

from __future__ import annotations

import argparse
import sys
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


def executed(path: Path, place: Path) -> tuple[NotebookNode, NotebookClient]:
    """A copy of the notebook, run in folder `place` by a kernel that still lives: close it with `closed`.

    Raises nbclient's CellExecutionError, with the cell's trace, when a cell fails.
    """
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=LONGEST_CELL,
        kernel_name=KERNEL["name"],
        resources={"metadata": {"path": str(place)}},
        record_timing=False,
    )
    client.create_kernel_manager()
    client.start_new_kernel()
    client.start_new_kernel_client()
    try:
        for index, cell in enumerate(notebook.cells):
            client.execute_cell(cell, index)
    except BaseException:
        closed(client)
        raise
    return notebook, client


def value_of(client: NotebookClient, expression: str) -> str:
    """What the kernel prints for an expression over the notebook's variables."""
    cell = nbformat.v4.new_code_cell(f"print({expression})")
    ran = client.execute_cell(cell, len(client.nb.cells))
    return "".join(output.get("text", "") for output in ran.outputs)


def closed(client: NotebookClient) -> None:
    """End the kernel."""
    client._cleanup_kernel()


def tidied(notebook: NotebookNode) -> NotebookNode:
    """The notebook without what differs from machine to machine; cells are numbered in place of random ids."""
    notebook.metadata = NotebookNode({"kernelspec": KERNEL, "language_info": {"name": "python"}})
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number:02d}"
        cell.metadata = NotebookNode()
        if cell.cell_type == "code":
            cell.execution_count = None
            for output in cell.outputs:
                output.pop("execution_count", None)
                if output.output_type == "execute_result":
                    output.execution_count = None
                output.metadata = NotebookNode() if "metadata" in output else output.get("metadata")
                if output["metadata"] is None:
                    del output["metadata"]
    return notebook


def main() -> None:
    """Run the tutorial in an empty folder and write it back with its outputs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("notebook", nargs="?", type=Path, default=TUTORIAL)
    path = parser.parse_args().notebook
    with TemporaryDirectory() as place:
        try:
            notebook, client = executed(path, Path(place))
        except CellExecutionError as error:
            sys.exit(f"{path}: a cell failed\n{error}")
        closed(client)
    write_text(path, nbformat.writes(tidied(notebook)) + "\n")
    print(f"{path}: {path.stat().st_size / 1000:,.0f} kB")


if __name__ == "__main__":
    main()

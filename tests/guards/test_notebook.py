"""docs/explore.ipynb runs from beginning to end, on a log of which the answers are known."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from visits import record_visits

NOTEBOOK = Path(__file__).parents[2] / "docs" / "explore.ipynb"


def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = record_visits(tmp_path / "mien.db")
    monkeypatch.setenv("MIEN_LOG", str(tmp_path / "mien.db"))
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    notebook = nbformat.read(NOTEBOOK, as_version=4)  # type: ignore[no-untyped-call]
    NotebookClient(notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": tmp_path}}).execute()
    outputs = [output.data for cell in notebook.cells for output in cell.get("outputs", ()) if "data" in output]
    charts = [data["application/vnd.plotly.v1+json"] for data in outputs if "application/vnd.plotly.v1+json" in data]
    assert [chart["layout"]["title"]["text"] for chart in charts] == [
        "Face-seconds by hour",
        "Share of each expression by device",
        "Confidence",
    ]
    by_device = outputs[-1]["text/plain"].splitlines()[1:]
    assert sum(int(line.split()[2]) for line in by_device) == rows


def test_the_notebook_is_stored_without_outputs() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)  # type: ignore[no-untyped-call]
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in notebook.cells)

"""The comparison as a table in the terminal."""

from rich.console import Console

from cli.tables import comparison_view
from tests.domain.runs_to_compare import compared, results


def test_what_every_seed_agrees_in_has_a_dash_for_its_interval() -> None:
    comparison = compared(results({"layer_norm": [2.5] * 3, "rms_norm": [2.5] * 3, "none": [9.0, 9.5, 9.1]}))
    console = Console(width=160)
    with console.capture() as shown:
        console.print(comparison_view(comparison.model_dump(mode="json"), width=160))
    lines = {line.split()[0]: line.split() for line in shown.get().splitlines() if line.split()}
    assert lines["rms_norm"][1:8] == ["2.5", "–", "3", "+0", "±", "–", "1"]
    assert lines["none"][2:5] == ["8.543", "…", "9.857"]


def test_a_narrow_terminal_gets_fewer_columns_instead_of_broken_words() -> None:
    comparison = compared(results({"layer_norm": [2.5, 2.6, 2.4], "none": [9.0, 9.5, 9.1]})).model_dump(mode="json")
    console = Console(width=80)
    with console.capture() as shown:
        console.print(comparison_view(comparison, width=80))
    lines = shown.get().splitlines()
    assert any(line.split()[:1] == ["layer_norm"] for line in lines)
    assert any(line.startswith("A wider terminal also shows: p (Holm)") for line in lines)
    with console.capture() as shown:
        console.print(comparison_view(comparison, width=200))
    assert "wider" not in shown.get()

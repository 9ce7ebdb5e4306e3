"""Exports: CSV with every digit, Markdown and LaTeX as they are read."""

import csv
import io
from typing import Literal

import pytest
from pyarrow import parquet

from domain.export import export, export_pivot
from domain.findings import Comparison
from domain.pivot import Pivot, pivot
from tests.domain.runs_to_compare import compared, result, results

Form = Literal["csv", "markdown", "latex"]
ERRORS = {"layer_norm": [10.0, 10.4, 10.1], "none": [12.0, 12.4, 12.3], "batch_norm": [13.0]}


def exported(comparison: Comparison, form: Form) -> str:
    return export(comparison, form).decode()


def pivoted(comparison: Comparison, table: Pivot, form: Form) -> str:
    return export_pivot(comparison, table, form).decode()


def test_csv_has_a_line_per_group_with_every_digit() -> None:
    comparison = compared(results(ERRORS))
    rows = list(csv.DictReader(io.StringIO(exported(comparison, "csv"))))
    assert [row["normalization"] for row in rows] == ["layer_norm", "none", "batch_norm"]
    assert float(rows[0]["mean"]) == comparison.groups[0].mean
    assert rows[0]["baseline"] == "true"
    assert rows[0]["difference_mean"] == ""
    assert float(rows[1]["difference_low"]) == comparison.differences[0].low
    assert (rows[2]["half_width"], rows[2]["difference_verdict"]) == ("", "too few seeds")


def test_markdown_is_a_table_with_its_caption() -> None:
    lines = exported(compared(results(ERRORS)), "markdown").splitlines()
    assert lines[0] == (
        "| normalization | batch size | n | diverged | test error, % "
        "| difference, points | p, Holm | verdict | ms / step |"
    )
    assert lines[2].startswith("| layer_norm | 4 | 3 | 0 | **10.17 ± 0.52** | baseline |")
    assert "| none | 4 | 3 | 0 | 12.23 ± 0.52 | +2.07 [1.78, 2.35] | 0.001 | worse |" in lines[3]
    assert lines[4].startswith("| batch_norm | 4 | 1 | 0 | 13.00 | +3.000 |")
    assert "Holm over 1 comparison; 1 more waits for seeds." in lines[-1]
    assert len({line.count("|") for line in lines[:5]}) == 1


def test_values_that_all_seeds_share_have_a_dash_for_an_interval_and_the_caption_says_why() -> None:
    text = exported(compared(results({"layer_norm": [2.5] * 3, "none": [2.5] * 3})), "markdown")
    assert "| none | 4 | 3 | 0 | **2.500 ± –** | 0.00 [–] | 1.000 | no difference shown |" in text
    assert text.rstrip().endswith("Holm over 1 comparison.")
    assert "± –: the same value in every seed, so no interval." in text
    assert "± –" not in exported(compared(results(ERRORS)), "markdown")


def test_latex_escapes_what_tex_would_read() -> None:
    text = exported(compared(results(ERRORS)), "latex")
    assert r"layer\_norm" in text
    assert r"test error, \%" in text
    assert r"\textbf{10.17 $\pm$ 0.52}" in text
    assert text.count(r"\\") == 1 + 3
    assert r"\begin{tabular}{lrrrrrrrr}" in text


def test_a_pivot_cell_says_n_where_it_is_fewer_and_what_diverged() -> None:
    runs = [*results(ERRORS), result("batch_norm", 1, None, outcome="diverged")]
    comparison = compared(runs)
    text = pivoted(comparison, pivot(comparison, "normalization", "training.batch_size"), "markdown")
    assert text.splitlines()[0] == "| normalization | batch size 4 |"
    assert "| batch_norm | 13.00 (n = 1), 1 diverged |" in text
    assert "| layer_norm | **10.17 ± 0.52** |" in text


@pytest.mark.parametrize("form", ["csv", "markdown", "latex"])
def test_a_missing_combination_is_an_empty_cell(form: Form) -> None:
    comparison = compared(results(ERRORS) + results({"none": [9.0, 9.1, 9.2]}, batch=128))
    text = pivoted(comparison, pivot(comparison, "normalization", "training.batch_size"), form)
    assert "None" not in text
    assert "none" in text


def test_a_pivot_in_csv_is_one_line_per_cell() -> None:
    comparison = compared(results(ERRORS))
    table = pivot(comparison, "normalization", "training.batch_size")
    rows = list(csv.DictReader(io.StringIO(pivoted(comparison, table, "csv"))))
    assert {(row["normalization"], row["training.batch_size"], row["n"]) for row in rows} == {
        ("layer_norm", "4", "3"),
        ("none", "4", "3"),
        ("batch_norm", "4", "1"),
    }


@pytest.mark.parametrize("form", ["csv", "markdown", "latex"])
def test_the_one_group_of_runs_that_differ_in_nothing_is_named_too(
    form: Form,
) -> None:
    comparison = compared(results({"layer_norm": [10.0, 10.4, 10.1]}), group_by=[], baseline={})
    text = exported(comparison, form)
    heads, row = (next(line for line in text.splitlines() if word in line) for word in ("variant", "all runs"))
    sign = {"csv": ",", "markdown": "|", "latex": "&"}[form]
    assert [line.split(sign)[form == "markdown"].strip() for line in (heads, row)] == ["variant", "all runs"]
    assert heads.count(sign) == row.count(sign)


def test_an_empty_comparison_is_an_empty_table() -> None:
    comparison = compared([])
    assert exported(comparison, "csv").count("\n") == 1
    assert exported(comparison, "markdown")
    assert exported(comparison, "latex")
    assert parquet.read_table(io.BytesIO(export(comparison, "parquet"))).num_rows == 0


def test_parquet_has_the_columns_of_the_csv_with_their_types() -> None:
    comparison = compared(results(ERRORS))
    table = parquet.read_table(io.BytesIO(export(comparison, "parquet")))
    rows = list(csv.DictReader(io.StringIO(exported(comparison, "csv"))))
    assert table.column_names == list(rows[0])
    types = {field.name: str(field.type) for field in table.schema}
    assert (types["training.batch_size"], types["mean"], types["n"], types["bold"]) == (
        "int64",
        "double",
        "int64",
        "bool",
    )
    for typed, text in zip(table.to_pylist(), rows, strict=True):
        assert float(text["mean"]) == typed["mean"]
        assert {name for name, value in typed.items() if value is None} == {
            name for name, words in text.items() if not words
        }


def test_a_pivot_in_parquet_is_one_row_per_cell_and_a_mixed_column_is_text() -> None:
    comparison = compared(results(ERRORS))
    key = {"normalization": 1, "training.batch_size": 4}
    mixed = comparison.model_copy(
        update={"groups": [*comparison.groups, comparison.groups[0].model_copy(update={"key": key})]}
    )
    table = parquet.read_table(io.BytesIO(export_pivot(mixed, pivot(mixed, "normalization"), "parquet")))
    assert set(table.column("normalization").to_pylist()) == {"layer_norm", "none", "batch_norm", "1"}

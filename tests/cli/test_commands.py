"""The commands against a real service: what they print, and the exit codes scripts rely on."""

import csv
import io
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import pytest
from pyarrow import parquet
from typer.main import get_command

from cli.exits import ExitCode
from cli.main import app
from domain.database import Database
from domain.report import LogLine
from domain.settings import Settings
from domain.store import logs
from tests.stack import RunningStack, normlab, parse
from tests.waiting import wait_until

JOB: dict[str, Any] = {
    "dataset": {"kind": "digits"},
    "architecture": {"kind": "mlp", "hidden": [16]},
    "normalization": {"kind": "layer_norm"},
    "training": {
        "batch_size": 32,
        "budget": {"steps": 60},
        "optimizer": {"kind": "sgd", "lr": 0.1},
        "evaluate_every": {"steps": 30},
    },
}
STUDY: dict[str, Any] = {
    "name": "small",
    "question": "Does it matter?",
    "base": JOB,
    "vary": {"normalization": [{"kind": "none"}, {"kind": "layer_norm"}]},
    "seeds": 3,
    "metric": {"name": "test_error", "at": "final"},
    "baseline": {"normalization.kind": "layer_norm"},
}
LONG_JOB = {**JOB, "training": {**JOB["training"], "budget": {"steps": 1_000_000}}}


def written(directory: Path, document: dict[str, Any]) -> str:
    path = directory / "spec.json"
    path.write_text(json.dumps(document))
    return str(path)


@pytest.fixture(scope="module")
def study(stack: RunningStack, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A small study, submitted and watched to its end by the command."""
    done = stack.normlab("submit", "--watch", "--json", written(tmp_path_factory.mktemp("study"), STUDY))
    assert done.returncode == 0, done.stderr + stack.logs()
    record: dict[str, Any] = parse(done)
    return record


def test_a_watched_study_ends_with_every_run_succeeded(study: dict[str, Any]) -> None:
    assert study["counts"]["succeeded"] == 6
    assert study["name"] == "small"


def test_lists_and_records_come_as_tables_and_as_json(stack: RunningStack, study: dict[str, Any]) -> None:
    assert study["id"] in stack.normlab("ls").stdout
    jobs = parse(stack.normlab("ls", "jobs", "--study", study["id"], "--json"))
    assert {job["label"] for job in jobs} == {"none", "layer_norm"}
    runs = parse(stack.normlab("ls", "runs", "--study", "small", "--json"))
    assert len(runs) == 6
    for what in (study["id"], "small", jobs[0]["id"], runs[0]["id"]):
        shown = stack.normlab("show", what)
        assert shown.returncode == 0, shown.stderr
        assert "succeeded" in shown.stdout
    assert parse(stack.normlab("show", runs[0]["id"], "--json"))["id"] == runs[0]["id"]
    assert stack.normlab("show", "--logs", runs[0]["id"]).returncode == 0
    assert "idle" in stack.normlab("ls", "workers").stdout


def test_watching_what_has_ended_returns_at_once(stack: RunningStack, study: dict[str, Any]) -> None:
    done = stack.normlab("watch", study["id"])
    assert (done.returncode, done.stdout) == (0, "6 succeeded\n")


def test_a_comparison_is_a_table_with_verdicts(stack: RunningStack, study: dict[str, Any]) -> None:
    shown = stack.normlab("compare", study["id"]).stdout
    assert all(words in shown for words in ("variant", "95 % interval", "minus layer_norm", "ms per step", "baseline"))
    comparison = parse(stack.normlab("compare", "small", "--json"))
    assert all(verdict["sentence"] in shown.replace("\n", " ") for verdict in comparison["verdicts"])
    assert {group["n"] for group in comparison["groups"]} == {3}


@pytest.mark.parametrize(("shape", "sign"), [("csv", "mean"), ("markdown", "|"), ("latex", r"\begin{tabular}")])
def test_a_comparison_leaves_in_other_forms(stack: RunningStack, study: dict[str, Any], shape: str, sign: str) -> None:
    done = stack.normlab("compare", study["id"], "--format", shape)
    assert done.returncode == 0, done.stderr
    assert sign in done.stdout
    assert "layer_norm" in done.stdout.replace("\\", "")


def test_a_comparison_is_saved_under_a_title_and_asked_again_by_its_id(
    stack: RunningStack, study: dict[str, Any]
) -> None:
    asked = ("--at", "best", "--baseline", "normalization.kind=none", "--threshold", "99")
    first = stack.normlab("compare", study["id"], *asked, "--save", "By the best epoch")
    assert first.returncode == 0, first.stderr
    saved = re.search(r"cmp_\w+", first.stderr)
    assert saved
    again = stack.normlab("compare", saved[0])
    assert (again.returncode, again.stdout) == (0, first.stdout)
    assert "By the best epoch" in again.stdout
    answer = parse(stack.normlab("compare", saved[0], "--json"))
    assert answer["question"] | {"study": "", "threshold": 0} == {
        "study": "",
        "jobs": [],
        "group_by": [],
        "metric": None,
        "at": "best",
        "baseline": {"normalization.kind": "none"},
        "threshold": 0,
    }
    assert "mean" in stack.normlab("compare", saved[0], "--format", "csv").stdout
    refused = stack.normlab("compare", saved[0], "--at", "final")
    assert (refused.returncode, "--at does not go with it" in " ".join(refused.stderr.split())) == (
        ExitCode.BAD_INPUT,
        True,
    )


def test_metrics_leave_as_csv_and_as_parquet(stack: RunningStack, study: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "metrics.csv"
    assert stack.normlab("export", study["id"], "--output", str(file)).returncode == 0
    rows = list(csv.DictReader(io.StringIO(file.read_text())))
    assert len({row["run_id"] for row in rows}) == 6
    assert {"train_loss", "test_error", "step_time"} <= {row["name"] for row in rows}
    typed = tmp_path / "metrics.parquet"
    assert stack.normlab("export", study["id"], "--format", "parquet", "-o", str(typed)).returncode == 0
    assert parquet.read_metadata(typed).num_rows == len(rows)
    only = stack.normlab("export", study["id"], "--key", "test_error").stdout
    assert {row["name"] for row in csv.DictReader(io.StringIO(only))} == {"test_error"}


def test_a_dry_run_shows_the_expansion_and_stores_nothing(stack: RunningStack, tmp_path: Path) -> None:
    dry = {**STUDY, "name": "dry", "vary": {"training.batch_size": [8, 16, 32]}, "baseline": {"training.batch_size": 8}}
    done = stack.normlab("submit", "--dry-run", written(tmp_path, dry))
    assert done.returncode == 0, done.stderr
    assert "3 jobs, 9 runs; nothing was stored." in done.stdout
    assert stack.normlab("show", "dry").returncode == 3


def test_a_refused_spec_names_the_field_and_the_nearest_name(stack: RunningStack, tmp_path: Path) -> None:
    wrong = {**JOB, "normalization": {"kind": "layer_nrom"}, "seeds": -1}
    done = stack.normlab("submit", written(tmp_path, wrong))
    assert done.returncode == 2
    assert "/normalization/kind" in done.stderr
    assert "layer_norm" in done.stderr
    assert "/seeds" in done.stderr


def test_every_command_takes_json_except_those_the_readme_names() -> None:
    without = {name for name, command in commands(get_command(app)) if "--json" not in options(command)}
    assert without == {"export", "up", "demo"}


def commands(group: Any, before: str = "") -> Iterator[tuple[str, click.Command]]:
    """Every command by its name, as in `keys revoke`."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{before}{name} ")
        else:
            yield f"{before}{name}", command


def options(command: click.Command) -> set[str]:
    return {option for parameter in command.params for option in parameter.opts}


def test_with_json_an_error_is_json_too(stack: RunningStack) -> None:
    done = stack.normlab("show", "run_00000000000000000000000000", "--json")
    assert done.returncode == 3
    assert json.loads(done.stderr)["error"]["code"] == 3


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("show", "no-such-study"), 3),
        (("watch", "job_00000000000000000000000000"), 3),
        (("cancel", "not/an/id"), 3),
        (("submit", "nowhere.yaml"), 2),
        (("ls", "nothing"), 2),
        (("ls", "studies", "--status", "failed"), 2),
        (("fly",), 2),
        (("keys", "revoke", "key_00000000000000000000000000"), 3),
    ],
)
def test_failures_have_their_exit_codes(stack: RunningStack, arguments: tuple[str, ...], code: int) -> None:
    done = stack.normlab(*arguments)
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr


def test_nobody_there_and_nobody_allowed(stack: RunningStack) -> None:
    away = {**stack.environment, "NORMLAB_URL": "http://127.0.0.1:9"}
    assert normlab("ls", environment=away).returncode == 5
    stranger = {**stack.environment, "NORMLAB_URL": stack.url, "NORMLAB_KEY": "nl_nobody"}
    done = normlab("ls", environment=stranger)
    assert done.returncode == 4
    assert "NORMLAB_KEY" in done.stderr


def test_a_key_works_until_it_is_revoked(stack: RunningStack) -> None:
    made = parse(stack.normlab("keys", "create", "a script", "--scope", "read", "--json"))
    assert made["id"] in stack.normlab("keys", "ls").stdout
    script = {**stack.environment, "NORMLAB_KEY": made["token"]}
    assert normlab("ls", environment=script).returncode == 0
    refused = normlab("cancel", "run_00000000000000000000000000", environment=script)
    assert refused.returncode == 4
    revoked = parse(stack.normlab("keys", "revoke", made["id"], "--json"))
    assert (revoked["id"], revoked["expires_at"]) == (made["id"], None)
    assert revoked["revoked_at"]
    assert normlab("ls", environment=script).returncode == 4


def test_a_key_may_be_valid_for_some_days_only(stack: RunningStack) -> None:
    made = parse(stack.normlab("keys", "create", "a guest", "--days", "0.5", "--json"))
    expires = datetime.fromisoformat(made["expires_at"])
    assert timedelta(hours=11.9) < expires - datetime.now(UTC) < timedelta(hours=12.1)
    assert made["expires_at"][:19] in stack.normlab("keys", "ls").stdout
    assert stack.normlab("keys", "create", "never", "--days", "0").returncode == 2


def test_login_prints_an_address_that_works_once(stack: RunningStack) -> None:
    address = stack.normlab("login").stdout.strip()
    assert address.startswith(f"{stack.url}/login?code=")
    assert parse(stack.normlab("login", "--json"))["url"] != address


def test_a_run_is_paused_resumed_and_cancelled(stack: RunningStack, tmp_path: Path) -> None:
    job = parse(stack.normlab("submit", "--json", written(tmp_path, LONG_JOB)))

    def status() -> str:
        return str(parse(stack.normlab("ls", "runs", "--job", job["id"], "--json"))[0]["status"])

    wait_until(lambda: status() == "running", seconds=30)
    assert stack.normlab("pause", job["id"]).returncode == 0
    wait_until(lambda: status() == "paused", seconds=30)
    assert stack.normlab("rm", "--yes", job["id"]).returncode == 6
    assert stack.normlab("resume", job["id"]).returncode == 0
    wait_until(lambda: status() == "running", seconds=30)
    assert stack.normlab("cancel", job["id"]).returncode == 0
    watched = stack.normlab("watch", job["id"])
    assert (watched.returncode, watched.stdout) == (1, "1 cancelled\n")
    assert parse(stack.normlab("rm", "--yes", "--json", job["id"])) == [{"id": job["id"], "deleted": True}]
    assert stack.normlab("show", job["id"]).returncode == 3


def test_the_log_is_shown_from_its_first_line(stack: RunningStack, study: dict[str, Any]) -> None:
    run = parse(stack.normlab("ls", "runs", "--study", study["id"], "--limit", "1", "--json"))[0]["id"]
    database = Database.open(Settings(data_dir=stack.directory))
    more = [LogLine(number, datetime.now(UTC), "out", f"line {number}") for number in range(10_000, 10_300)]
    with database.write() as c:
        before = logs.tail(c, run)
        logs.append(c, run, before[-1].token, more)
    database.close()
    expected = [line.line for line in before] + [line.line for line in more]
    assert stack.normlab("show", "--logs", run).stdout.splitlines() == expected
    assert [line["line"] for line in parse(stack.normlab("show", "--logs", "--json", run))] == expected


def test_datasets_are_listed_with_whether_they_are_here(stack: RunningStack) -> None:
    listed = {entry["name"]: entry for entry in parse(stack.normlab("datasets", "ls", "--json"))}
    assert listed["digits"]["here"] is True
    assert stack.normlab("datasets", "fetch", "digits").returncode == 0
    assert parse(stack.normlab("datasets", "fetch", "digits", "--json")) == [listed["digits"]]
    wrong = stack.normlab("datasets", "fetch", "digit", "--json")
    assert (wrong.returncode, json.loads(wrong.stderr)["error"]["code"]) == (3, 3)
    unknown = stack.normlab("datasets", "fetch", "digit")
    assert unknown.returncode == 3
    assert "digits" in unknown.stderr

"""Files of deleted runs: checkpoints, spools and logs go after the rows are gone."""

import logging
import shutil
from collections.abc import Iterable
from pathlib import Path

log = logging.getLogger("normlab.api")


def remove_runs(runs_dir: Path, run_ids: Iterable[str]) -> None:
    """Remove the directories of runs. The ids come from the database, never from a request.

    What can't be removed is said in the log: the rows are gone, so the answer stays the same.
    """
    for run_id in run_ids:
        try:
            shutil.rmtree(runs_dir / run_id)
        except FileNotFoundError:
            continue
        except OSError as error:
            log.warning("the files of %s stay behind: %s", run_id, error)

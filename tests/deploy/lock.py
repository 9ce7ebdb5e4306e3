"""Takes torch's hashes out of a lock file: a CPU and a CUDA build of one version both satisfy it."""

import re
import sys
from pathlib import Path


def without_torch_hashes(lock: str) -> str:
    """Return the text of a lock file with the `--hash` lines of torch removed.

    With a hash, pip would insist on the build of torch that the package index holds (on Linux 500 MB of CUDA) even
    where a CPU build of the same version lies on disk.
    """
    return re.sub(r"^(torch==[^\s\\]+)(?: \\\n    --hash=\S+)+", r"\1", lock, flags=re.MULTILINE)


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(without_torch_hashes(path.read_text()))

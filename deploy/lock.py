"""Write the hashes of what the image installs: ``python deploy/lock.py``, after a change of constraints.txt.

pip resolves filterscope under the pins for the platform and the Python that run this, which must be those of the image (Linux
on x86-64, Python 3.11), and says the hash of every file it would install; nothing is installed. torch with what its CUDA
build needs has a file of its own: a CPU image takes its torch from elsewhere.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
_CUDA = re.compile(r"torch|torchvision|triton|nvidia-.*|cuda-.*")


def main() -> None:
    """Write requirements.txt and requirements-cuda.txt."""
    # without a configuration of this machine, which might name other files than the registry's
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet", "--report", "-"]
    report = subprocess.run(
        [*command, "--only-binary", ":all:", "--constraint", "constraints.txt", ".[sample,cluster]"],
        env=environment | {"PIP_CONFIG_FILE": os.devnull},
        cwd=HERE.parent,
        stdout=subprocess.PIPE,
        check=True,
    )
    lines: dict[bool, list[str]] = {False: [], True: []}
    for item in json.loads(report.stdout)["install"]:
        name = re.sub(r"[-_.]+", "-", item["metadata"]["name"]).lower()
        if name != "filterscope":
            digest = item["download_info"]["archive_info"]["hashes"]["sha256"]
            pin = f"{name}=={item['metadata']['version']} --hash=sha256:{digest}"
            lines[bool(_CUDA.fullmatch(name))].append(pin)
    for cuda, file in ((False, "requirements.txt"), (True, "requirements-cuda.txt")):
        (HERE / file).write_text("# made by deploy/lock.py\n" + "\n".join(sorted(lines[cuda])) + "\n")


if __name__ == "__main__":
    main()

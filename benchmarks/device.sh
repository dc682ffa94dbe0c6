#!/usr/bin/env bash
# What a machine with an accelerator does with this package: under eight minutes, no network.
#
#     bash benchmarks/device.sh [--out FOLDER] [--minutes 7.5] [--only PART ...] [--reduced]
#
# Wheels of what the machine lacks (diffusers, open_clip_torch, lpips, ftfy, faiss_cpu, ...) lie in
# the folder WHEELS, by default wheels/ of the checkout. The package is used from the checkout; where
# it is not installed, what pip would write of it is put beside the wheels, in a folder that is thrown
# away. Nothing is built: a machine's own setuptools may be older than the project asks for.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
wheels=${WHEELS:-$here/wheels}
python=${PYTHON:-python}
site=$(mktemp -d)
trap 'rm -rf "$site"' EXIT
if compgen -G "$wheels/*.whl" > /dev/null; then
    "$python" -m pip install --quiet --no-index --no-deps --target "$site" "$wheels"/*.whl
fi
if ! "$python" -c 'from importlib.metadata import version; version("persongen-bench")' 2> /dev/null; then
    "$python" - "$here/pyproject.toml" "$site" << 'EOF'
import sys, tomllib
from pathlib import Path

project = tomllib.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))["project"]
name, version = project["name"], project["version"]
folder = Path(sys.argv[2], f"{name.replace('-', '_')}-{version}.dist-info")
folder.mkdir()
metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
folder.joinpath("METADATA").write_text(metadata, encoding="utf-8")
groups = {"console_scripts": project["scripts"]} | project["entry-points"]
lines = (f"[{group}]\n" + "".join(f"{key} = {value}\n" for key, value in entries.items())
         for group, entries in groups.items())  # fmt: skip
folder.joinpath("entry_points.txt").write_text("\n".join(lines), encoding="utf-8")
EOF
fi
export PYTHONPATH="$here:$site${PYTHONPATH:+:$PYTHONPATH}"
out=device-out
for ((k = 1; k < $#; k++)); do
    if [ "${!k}" = --out ]; then next=$((k + 1)) && out=${!next}; fi
done
code=0
"$python" "$here/benchmarks/device.py" "$@" || code=$?
if [ -f "$out/device.json" ]; then
    "$python" "$here/docs/device_page.py" "$out/device.json" > "$out/device.md"
fi
exit "$code"

#!/usr/bin/env bash
# What a machine with an accelerator does with this package: under eight minutes, no network.
#
#     bash benchmarks/device.sh [--out FOLDER] [--minutes 7.5] [--only PART ...] [--reduced]
#
# Wheels of what the machine lacks (diffusers, open_clip_torch, lpips, ftfy, faiss_cpu, ...) lie in
# the folder WHEELS, by default wheels/ of the checkout. The package is used from the checkout; where
# it is not installed, its entry points are put beside the wheels, in a folder that is thrown away.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
wheels=${WHEELS:-$here/wheels}
python=${PYTHON:-python}
site=$(mktemp -d)
trap 'rm -rf "$site"' EXIT
install=("$python" -m pip install --quiet --no-index --no-deps --target "$site")
if compgen -G "$wheels/*.whl" > /dev/null; then
    "${install[@]}" "$wheels"/*.whl
fi
if ! "$python" -c 'from importlib.metadata import version; version("persongen-bench")' 2> /dev/null; then
    "${install[@]}" --no-build-isolation "$here"
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

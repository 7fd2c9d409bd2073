#!/bin/sh
# Makes .deps/venv: the Python environment of tests and benchmarks, and the
# place libtorch and CMake are taken from. Quick when nothing has changed.
set -eu
cd "$(dirname "$0")/.."
venv=.deps/venv
stamp=$venv/requirements.installed

# The stamp holds what was installed, so that an edited list installs again.
if cat setup/requirements.txt setup/torch_cpu_stubs.py | cmp -s - "$stamp"; then
    exit 0
fi

python=${PYTHON:-python3}
if ! "$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))'; then
    echo "setup: $python is not Python 3.11 to 3.14; set PYTHON to one that is" >&2
    exit 1
fi
if ! "$python" -c 'import venv, ensurepip' 2>/dev/null; then
    sh setup/debian.sh python3-venv
fi

if [ ! -x "$venv/bin/pip" ]; then
    echo "setup: making $venv"
    mkdir -p .deps
    "$python" -m venv "$venv"
fi
echo "setup: installing Python packages into $venv (about 700 MB to fetch)"
"$venv/bin/python" -m pip install --disable-pip-version-check --no-deps --only-binary :all: \
    --quiet --requirement setup/requirements.txt
"$venv/bin/python" setup/torch_cpu_stubs.py \
    "$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
"$venv/bin/python" -c 'import torch, pydicom, highdicom; torch.ones(2, 2) @ torch.ones(2, 2)'
cat setup/requirements.txt setup/torch_cpu_stubs.py > "$stamp"

#!/bin/sh
# Makes .deps/libtorch, the CPU part of libtorch, from the torch wheel that
# setup/python.sh has unpacked: one download serves both. Does nothing when
# LIBTORCH already names a libtorch of one's own.
set -eu
cd "$(dirname "$0")/.."
libtorch=.deps/libtorch

if [ -n "${LIBTORCH:-}" ] && [ "$(realpath -m "$LIBTORCH")" != "$(realpath -m $libtorch)" ]; then
    if [ -e "$LIBTORCH/lib/libtorch_cpu.so" ] && [ -e "$LIBTORCH/include/torch/csrc/api/include/torch/torch.h" ]; then
        exit 0
    fi
    echo "setup: LIBTORCH=$LIBTORCH holds no lib/libtorch_cpu.so or no include/; unset it to let make fetch libtorch" >&2
    exit 1
fi
if [ -e $libtorch/lib/libtorch.so ]; then
    exit 0
fi

sh setup/python.sh
site_packages=$(.deps/venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
echo "setup: making $libtorch"
rm -rf $libtorch.part
mkdir -p $libtorch.part/lib
# Hard links: the same bytes, not copied.
cp -rl "$site_packages/torch/include" $libtorch.part/include
for library in torch/lib/libc10.so torch/lib/libtorch_cpu.so torch/lib/libgomp.so.1 \
    torch/lib/libtorch_global_deps.so \
    nvidia/cu13/lib/libcudart.so.13 nvidia/cu13/lib/libcupti.so.13; do
    cp -l "$site_packages/$library" $libtorch.part/lib/
done
# The wheel's libtorch.so needs libtorch_cuda.so; on a CPU it is libtorch_cpu.so.
ln -s libtorch_cpu.so $libtorch.part/lib/libtorch.so
mv -T $libtorch.part $libtorch

"""Makes the CUDA build of PyTorch import on a machine without CUDA's libraries.

The wheel of PyTorch on PyPI is the CUDA build. Its shared libraries name
cuBLAS, cuDNN, NCCL and others as NEEDED, so that the dynamic linker refuses
`import torch` when they are absent, although nothing of them is called on a
CPU. Installing them costs 3 GB. This program instead

1. reads which libraries the ones of torch/lib need and which (versioned)
   symbols they leave undefined, with binutils' objdump and nm;
2. compiles, for every needed library that is nowhere to be found, a small
   library of that name whose functions trap;
3. puts it into `nvidia/cu13/lib`, where torch's RPATH looks first.

A stub is never made for a library that is installed. Should CUDA code ever
run, the process stops with SIGTRAP at that call rather than compute wrongly.
The small wheels nvidia-cuda-runtime and nvidia-cuda-cupti stay real: they are
called while torch loads.

usage: torch_cpu_stubs.py SITE_PACKAGES
"""

import collections
import ctypes
import pathlib
import re
import subprocess
import sys

# Prefixes of the symbols that the libraries below define; anything else that
# torch leaves undefined comes from libc, libstdc++ or torch itself.
CUDA_SYMBOL = re.compile(
    r"^(cublas|cublasLt|cudnn|cufft|cusparse|cusparseLt|curand|p?nccl|nvshmem|cuFile|cusolver|nvrtc|nvJitLink)"
)
# NVSHMEM is the one library whose symbol version does not spell its file name.
LIBRARY_OF_VERSION = {"NVSHMEM": "libnvshmem_host.so.3"}
# Unversioned symbols are looked up in every loaded library, so any home will do.
LIBRARY_OF_UNVERSIONED = "libcudnn.so.9"


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def needed_libraries(library):
    return re.findall(r"^\s+NEEDED\s+(\S+)", output("objdump", "-p", library), re.MULTILINE)


def undefined_cuda_symbols(library):
    """Pairs of (symbol, version), version empty when there is none."""
    for line in output("nm", "-D", "--undefined-only", library).splitlines():
        symbol, _, version = line.split()[-1].replace("@@", "@").partition("@")
        if CUDA_SYMBOL.match(symbol):
            yield symbol, version


def is_installed(name, folders):
    if any((folder / name).exists() for folder in folders):
        return True
    try:
        ctypes.CDLL(name)
        return True
    except OSError:
        return False


def compile_stub(path, symbols):
    """`symbols` maps a version to names."""
    source = "".join(
        f"void {symbol}(void) {{ __builtin_trap(); }}\n"
        for names in symbols.values()
        for symbol in sorted(names)
    )
    script = "".join(
        f"{version} {{ global: {' '.join(name + ';' for name in sorted(names))} }};\n"
        for version, names in sorted(symbols.items())
        if version
    )
    versions = path.with_suffix(".map")
    versions.write_text(script)
    command = ["cc", "-shared", "-fPIC", "-x", "c", "-", f"-Wl,-soname,{path.name}", "-o", path]
    if script:
        command.append(f"-Wl,--version-script={versions}")
    subprocess.run(command, input=source, text=True, check=True)
    versions.unlink()


def main():
    site_packages = pathlib.Path(sys.argv[1])
    torch_lib = site_packages / "torch" / "lib"
    stub_folder = site_packages / "nvidia" / "cu13" / "lib"
    folders = [torch_lib, *site_packages.glob("nvidia/*/lib")]

    needed = {LIBRARY_OF_UNVERSIONED}
    symbols = collections.defaultdict(lambda: collections.defaultdict(set))
    for library in sorted(torch_lib.glob("*.so*")):
        needed.update(needed_libraries(library))
        for symbol, version in undefined_cuda_symbols(library):
            home = LIBRARY_OF_VERSION.get(version, version) or LIBRARY_OF_UNVERSIONED
            symbols[home][version].add(symbol)

    missing = sorted(name for name in needed | set(symbols) if not is_installed(name, folders))
    for name in missing:
        compile_stub(stub_folder / name, symbols[name])
    print(f"stubs for {len(missing)} CUDA libraries in {stub_folder}")


if __name__ == "__main__":
    main()

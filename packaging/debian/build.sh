#!/bin/bash
# Makes target/debian/irisnode_VERSION_amd64.deb from target/release/irisnode, with Debian's own tools and no root.
# `make deb` builds the program first.
set -euo pipefail
cd "$(dirname "$0")/../.."
here=packaging/debian
libtorch=${LIBTORCH:-.deps/libtorch}
site_packages=$(.deps/venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
# The same commit gives the same package, byte for byte.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || stat -c %Y Cargo.lock)}
export SOURCE_DATE_EPOCH
maintainer=${IRISNODE_MAINTAINER:-$(git log -1 --format='%an <%ae>' 2>/dev/null || true)}
maintainer=${maintainer:-irisnode maintainers <root@localhost>}

for needed in chrpath:chrpath dpkg-shlibdeps:dpkg-dev strip:binutils; do
    command -v "${needed%:*}" >/dev/null || sh setup/debian.sh "${needed#*:}"
done

work=target/debian
root=$work/root
rm -rf "$root"
mkdir -p "$work" "$root/DEBIAN"
put() { install -D -m "$1" "$2" "$root/$3"; }
packed() { install -d "$(dirname "$root/$1")" && gzip -9n > "$root/$1" && chmod 644 "$root/$1"; }

# The program, and what of libtorch it is linked with. libgomp is Debian's own.
put 755 "${IRISNODE_PROGRAM:-target/release/irisnode}" usr/bin/irisnode
strip --strip-unneeded --remove-section=.comment "$root/usr/bin/irisnode"
for library in libtorch_cpu.so libc10.so libcudart.so.13 libcupti.so.13; do
    put 644 "$libtorch/lib/$library" "usr/lib/irisnode/$library"
    strip --strip-unneeded "$root/usr/lib/irisnode/$library"
done
# The paths of the machine that built it go.
chrpath --replace "\$ORIGIN/../lib/irisnode" "$root/usr/bin/irisnode" >/dev/null
chrpath --replace "\$ORIGIN" "$root"/usr/lib/irisnode/lib{torch_cpu,c10}.so >/dev/null

put 644 weights/iris.safetensors usr/share/irisnode/weights/iris.safetensors
put 644 $here/irisnode.toml etc/irisnode/irisnode.toml
put 644 $here/irisnode.service usr/lib/systemd/system/irisnode.service
put 644 $here/lintian-overrides usr/share/lintian/overrides/irisnode

# What the program says of itself.
program=$root/usr/bin/irisnode
"$program" man --out "$work/man" >/dev/null
for page in "$work"/man/*.1; do packed "usr/share/man/man1/$(basename "$page").gz" < "$page"; done
for shell in bash:bash-completion/completions/irisnode zsh:zsh/vendor-completions/_irisnode \
    fish:fish/vendor_completions.d/irisnode.fish; do
    "$program" completions "${shell%%:*}" > "$work/completions"
    put 644 "$work/completions" "usr/share/${shell#*:}"
done

doc=usr/share/doc/irisnode
put 644 $here/copyright $doc/copyright
put 644 plugin-config/irisnode.toml $doc/examples/irisnode.toml
for example in $here/examples/*.conf; do put 644 "$example" "$doc/examples/$(basename "$example")"; done
(cd plugin-config && find . -mindepth 2 -type f) | while read -r file; do
    put 644 "plugin-config/$file" "$doc/examples/${file#./}"
done
packed $doc/README.md.gz < README.md
packed $doc/CONFORMANCE.md.gz < packaging/CONFORMANCE.md
packed $doc/MODEL_CARD.md.gz < weights/MODEL_CARD.md
packed $doc/NEWS.md.gz < CHANGELOG.md
packed $doc/changelog.gz <<TEXT
irisnode ($version) unstable; urgency=medium

  * What changed is told in /usr/share/doc/irisnode/NEWS.md.gz.

 -- $maintainer  $(date -u -R -d "@$SOURCE_DATE_EPOCH")
TEXT
licences=$doc/licences
packed $licences/libtorch.txt.gz < <(cat "$site_packages"/torch-*.dist-info/licenses/{LICENSE,NOTICE})
packed $licences/nvidia-cuda.txt.gz < <(cat "$site_packages"/nvidia_cuda_runtime-*.dist-info/licenses/License.txt)
.deps/venv/bin/python $here/crate_licences.py > "$work/rust-crates.txt"
packed $licences/rust-crates.txt.gz < "$work/rust-crates.txt"

# What it needs of Debian, found in the symbols that it uses.
mkdir -p "$work/debian"
printf 'Source: irisnode\n\nPackage: irisnode\nArchitecture: amd64\n' > "$work/debian/control"
shlibs=$(cd "$work" && dpkg-shlibdeps -O --warnings=0 -lroot/usr/lib/irisnode -Sroot --ignore-missing-info \
    root/usr/bin/irisnode root/usr/lib/irisnode/*.so* | sed -n 's/^shlibs:Depends=//p')
size=$(du -k -s --apparent-size "$root" | cut -f1)
sed -e "s/@VERSION@/$version/" -e "s/@SIZE@/$size/" -e "s/@SHLIBS@/$shlibs/" -e "s/@MAINTAINER@/$maintainer/" \
    $here/control.in > "$root/DEBIAN/control"
echo /etc/irisnode/irisnode.toml > "$root/DEBIAN/conffiles"
cp $here/templates "$root/DEBIAN/templates"
chmod 644 "$root"/DEBIAN/{control,conffiles,templates}
for script in postinst prerm postrm; do install -m 755 $here/$script "$root/DEBIAN/$script"; done
(cd "$root" && find usr -type f -print0 | sort -z | xargs -0 md5sum) > "$root/DEBIAN/md5sums"
chmod 644 "$root/DEBIAN/md5sums"
find "$root" -type d -exec chmod 755 {} +

package=$work/irisnode_${version}_amd64.deb
# Deb packages of bookworm on are read with xz; zstd is not known to every tool that reads them.
dpkg-deb --root-owner-group -Zxz -z"${DEB_LEVEL:-6}" --build "$root" "$package" >/dev/null
echo "$package"

#!/bin/bash
# The package, tried as an administrator does: installed on a fresh Debian that systemd runs as process 1, in namespaces
# of its own; asked, sent to, and answered by DCMTK; upgraded, removed, installed again and purged. Needs root, and
# Debian's archive as this machine's apt has it. Every step says what it saw; the first that fails ends it.
#
#   packaging/try-deb.sh [target/debian/irisnode_VERSION_amd64.deb]
set -euo pipefail
cd "$(dirname "$0")/.."
package=$(realpath "${1:-$(ls -t target/debian/irisnode_*_amd64.deb | head -1)}")
suite=${SUITE:-bookworm}
work=target/try-deb
fresh=$work/$suite.tar
root=$(realpath -m $work/root)
out=$(realpath -m $work/out)

[ "$(id -u)" -eq 0 ] || { echo "try-deb: systemd-nspawn needs root" >&2; exit 1; }
sh setup/debian.sh debootstrap systemd-container dcmtk
sh setup/python.sh

say() { printf '\n== %s\n' "$*"; }
fail() { printf 'try-deb: %s\n' "$*" >&2; inside journalctl -u irisnode --no-pager -n 40 >&2 || true; exit 1; }
# A container without network: nothing of this machine is in its way, nor it in the way of this machine.
container=(systemd-nspawn --quiet --keep-unit --register=no --directory="$root")
inside() {
    nsenter --target "$leader" --mount --uts --ipc --net --pid --cgroup -- \
        env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 "$@"
}
as_irisnode() { inside runuser -u irisnode -- irisnode "$@"; }
# DCMTK is a peer: this machine's programs, on the container's network.
peer() { nsenter --target "$leader" --net -- "$@"; }
until_true() { # SECONDS COMMAND...
    local end=$((SECONDS + $1)); shift
    until "$@" >/dev/null 2>&1; do [ $SECONDS -lt $end ] || return 1; sleep 0.5; done
}
is_active() { [ "$(inside systemctl is-active irisnode)" = active ]; }
has_jobs() { [ "$(as_irisnode jobs --json | grep -c '"state": *"delivered"')" -ge "$1" ]; }
results() { find "$out" -type f ! -name '*.log'; }

nspawn= storescp=
leave() {
    [ -z "$storescp" ] || kill "$storescp" 2>/dev/null || true
    if [ -n "$nspawn" ]; then kill "$nspawn" 2>/dev/null || true; wait "$nspawn" 2>/dev/null || true; fi
    rm -rf "$root"
}
trap leave EXIT

say "A fresh Debian ($suite)"
mkdir -p $work
rm -rf "$root" "$out"
mkdir -p "$root" "$out"
if [ ! -e "$fresh" ]; then
    mirror=$(apt-get indextargets --format '$(SITE)' "Codename: $suite" | sort -u | head -1)
    debootstrap --variant=minbase --include=systemd-sysv,dbus "$suite" $work/base "$mirror" > $work/debootstrap.log
    tar -C $work/base -cf "$fresh.part" . && mv "$fresh.part" "$fresh"
    rm -rf $work/base
fi
tar -C "$root" -xf "$fresh"
cp "$package" "$root/root/irisnode.deb"
cp -r dicom-fixtures/reference "$root/root/reference"
# What it depends on is fetched beforehand; the container has no network.
"${container[@]}" --pipe env DEBIAN_FRONTEND=noninteractive sh -c \
    'apt-get update -qq && apt-get install -qq -y --no-install-recommends --download-only /root/irisnode.deb' \
    > $work/download.log 2>&1
"${container[@]}" --private-network --boot </dev/null > $work/boot.log 2>&1 &
nspawn=$!
has_systemd() { leader=$(pgrep --parent "$nspawn" --exact systemd); }
until_true 60 has_systemd || { cat $work/boot.log; echo "try-deb: systemd does not start" >&2; exit 1; }
until_true 60 inside sh -c 'case $(systemctl is-system-running) in running | degraded) ;; *) false ;; esac' ||
    fail "systemd does not come up"
inside cat /etc/debian_version
inside ps -o pid,comm -p 1 2>/dev/null || inside cat /proc/1/comm

say "apt-get install ./irisnode.deb"
install_it() { inside apt-get install -qq -y --no-install-recommends "$@" /root/irisnode.deb > $work/apt.log 2>&1 ||
    { cat $work/apt.log; fail "apt-get failed"; }; grep -E '^(Setting up|Unpacking)' $work/apt.log; }
install_it
until_true 60 is_active || fail "the service is not active"
inside systemctl status irisnode --no-pager | sed -n 1,12p
inside systemctl is-enabled irisnode
inside stat -c '%U:%G %a %n' /var/lib/irisnode /etc/irisnode/irisnode.toml

say "The service is confined"
inside systemd-analyze security irisnode.service --no-pager | tail -1
pid=$(inside systemctl show -p MainPID --value irisnode)
inside grep -E '^(Seccomp|NoNewPrivs|CapBnd|Uid):?' "/proc/$pid/status"

say "The page answers, on this machine"
inside bash -c "exec 3<>/dev/tcp/127.0.0.1/8044 && printf 'GET /readyz HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n' >&3 && head -1 <&3"

say "Without a peer it lets nobody in"
peer echoscu -aec IRISNODE 127.0.0.1 11112 2>&1 | tail -1 || true
peer echoscu -aec IRISNODE 127.0.0.1 11112 >/dev/null 2>&1 && fail "it lets an unknown caller in"

say "A peer, a task and a rule; as the administrator would"
inside sh -c 'cat >> /etc/irisnode/irisnode.toml' <<'TOML'

[[peer]]
name     = "pacs"
ae_title = "PACS"
host     = "127.0.0.1"
port     = 4242

[[rule]]
name  = "any CT"
tasks = ["drawn-organs"]
when  = { Modality = "CT" }
TOML
inside cp -r /root/reference /tmp/reference
inside chmod -R a+rX /tmp/reference
segments=$(sed 's/\([0-9]*\)\t\(.*\)/--segment \1=\2/' dicom-fixtures/segments.tsv)
# shellcheck disable=SC2086 # a list of words
as_irisnode task add drawn-organs --image /tmp/reference/image.nii.gz --label /tmp/reference/labels.nii.gz $segments |
    tail -3
nsenter --target "$leader" --net -- storescp --aetitle PACS --output-directory "$out" --verbose 4242 \
    > "$out/storescp.log" 2>&1 &
storescp=$!
until_true 20 peer echoscu -aec PACS 127.0.0.1 4242 || fail "storescp does not answer"
as_irisnode check --connect
inside systemctl restart irisnode
until_true 60 is_active || fail "the service does not start again"

say "C-ECHO, and a series by C-STORE"
peer echoscu -aet PACS -aec IRISNODE 127.0.0.1 11112 && echo "echo: answered"
peer dcmsend -aet PACS -aec IRISNODE --scan-directories 127.0.0.1 11112 dicom-fixtures/query/series
until_true 180 has_jobs 1 || fail "no result was delivered"
as_irisnode jobs
results | while read -r file; do
    dcmdump +P Modality +P SeriesDescription "$file"
    ! .deps/venv/bin/dciodvfy "$file" 2>&1 | grep ^Error || fail "dciodvfy finds errors"
done
[ "$(results | wc -l)" -eq 1 ] || fail "not one result in the PACS"
kept=$(inside sh -c 'find /var/lib/irisnode/instances -type f | wc -l')
echo "$kept instances in /var/lib/irisnode"
[ "$kept" -eq 24 ] || fail "not every instance is kept"
[ "$(inside systemctl show -p NRestarts --value irisnode)" = 0 ] || fail "the service was restarted"

say "systemctl reload"
inside systemctl reload irisnode
sleep 2
is_active || fail "the service does not outlive a reload"
inside journalctl -u irisnode --no-pager -o cat | grep -i -e reload -e "again" | tail -2 || true

say "The same version once more, as an upgrade: data and configuration stay"
install_it --reinstall
until_true 60 is_active || fail "not active after the upgrade"
has_jobs 1 || fail "the jobs are gone"
inside grep -c PACS /etc/irisnode/irisnode.toml
echo "jobs and configuration are there"

say "apt-get remove: the service stops, the data stay"
inside apt-get remove -qq -y irisnode > $work/apt.log 2>&1 || fail "remove failed"
is_active && fail "still active"
inside test ! -e /usr/bin/irisnode
[ "$(inside sh -c 'find /var/lib/irisnode/instances -type f | wc -l')" = "$kept" ] || fail "remove took data"
inside test -e /etc/irisnode/irisnode.toml && echo "gone: the program; there: $kept instances, the configuration"

say "Installed again, it goes on"
install_it
until_true 60 is_active || fail "not active"
has_jobs 1 || fail "the jobs are gone"
echo "active, with its jobs"

say "apt-get purge, nobody there to answer: the data stay"
inside apt-get purge -qq -y irisnode > $work/apt.log 2>&1 || { cat $work/apt.log; fail "purge failed"; }
grep irisnode: $work/apt.log
inside test ! -e /etc/irisnode/irisnode.toml || fail "purge left the configuration"
[ "$(inside sh -c 'find /var/lib/irisnode/instances -type f | wc -l')" = "$kept" ] || fail "purge took data"

say "Asked, and told to: purge deletes them"
install_it
until_true 60 is_active || fail "not active"
echo 'irisnode irisnode/remove-data boolean true' | inside debconf-set-selections
inside apt-get purge -qq -y irisnode > $work/apt.log 2>&1 || { cat $work/apt.log; fail "purge failed"; }
inside test ! -e /var/lib/irisnode || fail "the data are there"
inside sh -c 'ls -d /usr/lib/irisnode /usr/share/irisnode /etc/systemd/system/multi-user.target.wants/irisnode.service' \
    2>/dev/null && fail "something is left"
echo "nothing is left but the user: $(inside getent passwd irisnode)"

say "Done: every step as it should be"

#!/bin/sh
# Installs Debian packages that are missing: those named as arguments, or the
# peers and checkers of the tests and the demo. Starts no service.
set -eu

if [ $# -eq 0 ]; then
    set -- orthanc orthanc-dicomweb orthanc-python dcmtk chromium strace systemd faketime
fi

missing=
for package in "$@"; do
    case $package in
        orthanc) test -x /usr/sbin/Orthanc || command -v Orthanc ;;
        orthanc-dicomweb) ls /usr/share/orthanc/plugins/libOrthancDicomWeb.so ;;
        orthanc-python) ls /usr/share/orthanc/plugins/libOrthancPython.so ;;
        dcmtk) command -v storescp && command -v storescu && command -v dcmsend ;;
        chromium) command -v chromium ;;
        strace) command -v strace ;;
        faketime) command -v faketime ;;
        systemd) command -v systemd-analyze ;;
        *) dpkg -s "$package" ;;
    esac >/dev/null 2>&1 || missing="$missing $package"
done
if [ -z "$missing" ]; then
    exit 0
fi

if ! command -v apt-get >/dev/null; then
    echo "setup: please install$missing (these are the Debian names; this system has no apt-get)" >&2
    exit 1
elif [ "$(id -u)" -eq 0 ]; then
    as_root=
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    as_root=sudo
else
    echo "setup: not allowed to install Debian packages; please run: sudo apt-get install$missing" >&2
    exit 1
fi

echo "setup: installing$missing from Debian"
# Debian starts a service when it installs one, unless this file says no. One
# that is already there is the administrator's and stays.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' | $as_root tee $policy >/dev/null
    $as_root chmod 755 $policy
    trap '$as_root rm -f $policy' EXIT
fi
$as_root apt-get update -qq
# shellcheck disable=SC2086 # a list of words
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $missing

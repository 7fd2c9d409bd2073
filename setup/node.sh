#!/bin/sh
# Makes .deps/node (dcmjs, cornerstone's adapters, Playwright) and .deps/ohif (the OHIF viewer, as it is served): what
# the tests read results with as a radiologist's browser does. Quick when nothing has changed.
set -eu
cd "$(dirname "$0")/.."
node=.deps/node
stamp=$node/installed
# The viewer is one prepared package; what it was built from is not needed.
ohif=3.13.2
ohif_sha512=WZdxmpmG7rqFgW9ZJLcbgr3XCtLi1KDNPoMaeY5PPe6j4G4fjEjjkycZM6C6Zk2F87BKxFfpq+jd5xXZB9E8EA==

if [ -e .deps/ohif/index.html ] && cat setup/node/package-lock.json setup/node.sh | cmp -s - "$stamp"; then
    exit 0
fi

if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
    sh setup/debian.sh nodejs npm
fi
if ! node -e 'process.exit(parseInt(process.versions.node) < 18 ? 1 : 0)'; then
    echo "setup: node $(node --version) is older than 18; please install a newer one" >&2
    exit 1
fi

echo "setup: installing what viewers read with into $node and .deps/ohif (about 80 MB to fetch)"
mkdir -p $node
cp setup/node/package.json setup/node/package-lock.json $node/
# Scripts of packages are not run; a package that asks for a newer node works with this one.
(cd $node && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)

packed=$(cd $node && npm pack --loglevel=error "@ohif/app@$ohif")
found=$(node -e 'const { createHash } = require("crypto"); const { readFileSync } = require("fs");
    console.log(createHash("sha512").update(readFileSync(process.argv[1])).digest("base64"))' "$node/$packed")
if [ "$found" != "$ohif_sha512" ]; then
    echo "setup: @ohif/app $ohif is not the package that was expected" >&2
    exit 1
fi
rm -rf .deps/ohif
mkdir -p .deps/ohif
tar -xzf "$node/$packed" -C .deps/ohif --strip-components=2 package/dist
# Maps of its sources serve no test.
find .deps/ohif -name '*.map' -delete
rm -f "$node/$packed"
cat setup/node/package-lock.json setup/node.sh > "$stamp"

#!/usr/bin/env bash
# Fetches what the page and its test have from npm, at the versions and checksums below, and
# writes it where it is committed. Needed only to change a version; takes npm.
set -euo pipefail
cd "$(dirname "$0")/.."

assets=internal/page/assets/vendor
test=test/page/testdata
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# fetch NAME VERSION SHA512 unpacks a package as $scratch/NAME. The checksum is that of the
# registry's tarball, in hexadecimal.
fetch() {
	local tarball
	tarball=$(cd "$scratch" && npm pack --silent "$1@$2")
	echo "$3  $scratch/$tarball" | sha512sum --check --quiet
	mkdir "$scratch/$1"
	tar -xzf "$scratch/$tarball" -C "$scratch/$1" --strip-components=1
}

# module SOURCE NAME: browsers resolve no bare names, and source maps are not served.
module() {
	sed -e 's|from"preact"|from"./preact.js"|' -e '/^\/\/# sourceMappingURL=/d' "$1" >"$assets/$2"
}

fetch preact 11.2.0 fc77c723fecdf387ba1ab581277276f34cf798b6912620dc4af8ff03ecbfe006cb9cd0ffd549461ded6c47aa18b931b021dd273fb76a0d4f4e9cbc4c3d9ef106
fetch htm 3.1.1 f7cdd5ca0f0dc1413b26467a3663aaa4267eb21d5b2afda2613954933956980e490f669c2a8c5de0a5716cc9b15fff399ad7dd9c399316834a720e43180bf135
fetch axe-core 4.14.1 1477dafa598d8d065f273d6af302aa203c02e83131707b7fa648cd41bd3d6b734f8c22a0dab86ee6a6f64b8afbe804b214d36db85a2826965edfb3a0b9d546b5

mkdir -p "$assets" "$test"
module "$scratch/preact/dist/preact.mjs" preact.js
module "$scratch/preact/hooks/dist/hooks.mjs" hooks.js
module "$scratch/htm/dist/htm.module.js" htm.js
cp "$scratch/preact/LICENSE" "$assets/preact.LICENSE"
cp "$scratch/htm/LICENSE" "$assets/htm.LICENSE"
gzip -9nc "$scratch/axe-core/axe.min.js" >"$test/axe.min.js.gz"
cat "$scratch/axe-core/LICENSE" "$scratch/axe-core/LICENSE-3RD-PARTY.txt" >"$test/axe.LICENSE"

#!/usr/bin/env bash
# Pushes images and writes their digests: images/push.sh REGISTRY [IMAGE …]
#
# Without images it pushes graft:cpu, and graft:gpu if it is built. An image NAME:TARGET becomes REGISTRY/NAME:VERSION-TARGET, and
# images.json maps TARGET to REGISTRY/NAME@sha256:…, which is what a cluster should be given: a tag can be moved, a digest can't.
set -euo pipefail
cd "$(dirname "$0")/.."

registry=${1:?usage: images/push.sh REGISTRY [IMAGE …]}
shift
if [ $# = 0 ]; then
    set -- graft:cpu
    if docker image inspect graft:gpu >/dev/null 2>&1; then set -- "$@" graft:gpu; fi
fi

version=$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
entries=()
for image in "$@"; do
    name=${image%:*} target=${image##*:}
    repository=$registry/$name
    docker tag "$image" "$repository:$version-$target"
    # The registry's own answer, not a digest that an earlier push left on this machine.
    digest=$(docker push "$repository:$version-$target" | tee /dev/stderr | sed -n 's/^.*digest: \(sha256:[0-9a-f]\{64\}\).*$/\1/p')
    [ -n "$digest" ] || { echo "$registry gave no digest for $image: nothing is written to images.json." >&2; exit 1; }
    entries+=("  \"$target\": \"$repository@$digest\"")
done
printf '{\n%s\n}\n' "$(IFS=,; printf '%s' "${entries[*]}" | sed 's/",/",\n/g')" >images.json.tmp
mv images.json.tmp "${IMAGES_JSON:-images.json}"
echo "${IMAGES_JSON:-images.json} is written."

#!/bin/sh
# Takes out of a virtual environment what no step ever uses.
set -eu
venv=$1
site=$("$venv/bin/python3" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')

# Headers to compile against, and tests.
rm -rf "$site"/tensorflow/include "$site"/pyarrow/include "$site"/pyarrow/src "$site"/numpy/*/include
find "$site" -type d \( -name tests -o -name test -o -name testing_data \) -path '*/site-packages/*' \
    ! -path '*/numpy/*' ! -path '*/tensorflow/*' ! -path '*/keras/*' -prune -exec rm -rf {} +
# Of Google's package for Vertex, the clients of the current API are all that the images hold the dependencies of: 56 MB less.
rm -rf "$site"/google/cloud/aiplatform "$site"/google/cloud/aiplatform_v1beta1 "$site"/vertexai "$site"/vertex_ray "$site"/agentplatform
# libclang, which TensorFlow's package asks for and nothing in it imports: 64 MB.
rm -rf "$site"/clang
# Of Amazon's services, S3 and those that give access to it suffice: 25 MB less. Examples hold what looks like keys.
find "$site/botocore/data" -mindepth 1 -maxdepth 1 -type d \
    ! -name s3 ! -name sts ! -name 'sso*' ! -name signin -exec rm -rf {} +
find "$site/botocore/data" -name 'examples-*.json' -delete
find "$site" \( -name '*.pyi' -o -name '*.pxd' -o -name '*.pyx' -o -name '*.a' \) -delete
"$venv/bin/pip" uninstall --quiet --yes wheel 2>/dev/null
# Compiled code saves each step seconds. Only deploy imports the clients of Vertex and Kubernetes: 45 MB less without theirs.
"$venv/bin/python3" -m compileall -q -j 0 -x 'site-packages/(google/cloud/aiplatform_v1|kubernetes)/' "$site"

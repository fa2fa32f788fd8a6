#!/bin/sh
# `locust ...` is Locust itself, for its page, a master or a worker; every other word is one of loadtest's.
set -eu
if [ "${1:-}" = locust ]; then
    exec "$@"
fi
exec loadtest "$@"

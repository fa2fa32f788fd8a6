#!/bin/sh
# One night: a run, its verdict, and whether anything shifted since the nights before. For cron or a CI job:
#
#   export LOADTEST_HOST=wss://staging.example.com/ws LOADTEST_JWT_SECRET=...
#   BUILD=9f3c1 ./nightly.sh results -u 200 -t 5m --slo slo.toml
#
# The first word is the folder in which the nights gather, the others are options of `loadtest run`; without LOADTEST_HOST the
# reference server is loaded. Keep the options as they are from night to night: a trend is of runs of one setup.
#
# Ends with 0 if all is well, 1 if an objective was missed or a metric got worse within the last week of runs, 2 if something
# could not work, 3 if the run is invalid.
set -u
results=${1:?give the folder for the nights, as in: nightly.sh results -u 200 -t 5m --slo slo.toml}
shift

loadtest run --results "$results" --label "build=${BUILD:-unknown}" "$@"
run=$?
case $run in
    0 | 1 | 3) ;;  # a run that missed an objective, or is invalid, is one to look at: its page is written
    *) exit "$run" ;;
esac

loadtest trend "$results" --fail-on-shift 7
trend=$?

[ "$run" -ne 0 ] && exit "$run"
exit "$trend"

#!/usr/bin/env bash
# What the real pilot image's entrypoint does. Like there, a line that fails does not stop it.
envfile=$PWD/ewms_htcondor_envfile.sh
if [[ -f $envfile ]]; then
  # shellcheck disable=SC1090 # it is another one in each job
  source "$envfile"
fi
printenv

export EWMS_PILOT_DATA_DIR_PARENT_PATH_ON_HOST=${EWMS_PILOT_DATA_DIR_PARENT_PATH_ON_HOST:-$PWD}
mkdir -p "$EWMS_PILOT_DATA_DIR_PARENT_PATH_ON_HOST/ewms-pilot-data/data-hub"
ls / "$PWD"

exec "$@"

#!/bin/sh
# A job of the storm: writes down what it was given, and then notices if any of its GPUs is another's
# too: it locks a file for each, for $1 seconds. Exit status 99: one was locked; that is written down
# as well. LOCKS is the directory of the files.
echo "$CANHAZGPU_RESERVATION $CUDA_VISIBLE_DEVICES" >>"$LOCKS/given"
set -- sleep "$1"
IFS=,
for gpu in $CUDA_VISIBLE_DEVICES; do
  # Without fork: the locks are this very process's, and end with it, however it ends.
  set -- flock --no-fork --nonblock --conflict-exit-code 99 "$LOCKS/$gpu" "$@"
done
exec "$@"

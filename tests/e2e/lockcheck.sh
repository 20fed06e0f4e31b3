#!/bin/sh
# A job that notices if any of its GPUs is another's too: it locks a file for each, for $1 seconds.
# Exit status 99: one was locked. LOCKS is the directory of the files.
set -- sleep "$1"
IFS=,
for gpu in $CUDA_VISIBLE_DEVICES; do
  # Without fork: the locks are this very process's, and end with it, however it ends.
  set -- flock --no-fork --nonblock --conflict-exit-code 99 "$LOCKS/$gpu" "$@"
done
exec "$@"

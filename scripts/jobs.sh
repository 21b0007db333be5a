#!/bin/sh
# Prints how many compilers to run at once: one a processor, but no more than free memory carries (a file that
# includes libtorch's headers takes up to 1.5 GB).
processors=$(nproc 2>/dev/null || echo 1)
by_memory=$(awk '/^MemAvailable:/ { print int($2 / 1500000) }' /proc/meminfo 2>/dev/null)
jobs=${by_memory:-$processors}
[ "$jobs" -gt "$processors" ] && jobs=$processors
[ "$jobs" -lt 1 ] && jobs=1
echo "$jobs"

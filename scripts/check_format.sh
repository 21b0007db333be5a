#!/bin/sh
# Holds C++ to .clang-format. Version 14 decides (Debian 12's): other versions break lines elsewhere.
#   check_format.sh [ROOT]          one line a breach; exit 1 if there is any
#   check_format.sh --fix           formats what is here
#   check_format.sh --self-test     a line too long must be caught, one that is right must not
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
command -v clang-format-14 >/dev/null || { echo "error: clang-format-14 is not installed (apt-get install clang-format-14)" >&2; exit 1; }

check() {  # check ROOT CLANG_FORMAT_OPTION...
  root=$1
  shift
  cd "$root"
  for folder in src apps tests bench; do [ ! -d "$folder" ] || find "$folder" -name '*.h' -o -name '*.cpp'; done |
    xargs -P "$(nproc)" -n 32 clang-format-14 "$@"
}

case ${1:-} in
  --fix) check "$here" -i ;;
  --self-test)
    planted=$(mktemp -d)
    trap 'rm -rf "$planted"' EXIT
    cp "$here/.clang-format" "$planted"
    mkdir -p "$planted/src/io"
    echo 'int right = 1;' >"$planted/src/io/right.h"
    (check "$planted" --dry-run -Werror) || { echo "a right line was reported" >&2; exit 1; }
    echo 'int  wrong=1;' >"$planted/src/io/wrong.cpp"
    if (check "$planted" --dry-run -Werror) 2>/dev/null; then echo "a wrong line was not caught" >&2; exit 1; fi
    ;;
  *) check "${1:-$here}" --dry-run -Werror ;;
esac

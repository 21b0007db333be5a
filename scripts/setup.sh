#!/usr/bin/env bash
# Brings what the build needs: Debian packages, and in .deps/venv the pinned Python wheels (libtorch comes out of torch's).
# Does only what is missing, so it may run before every build and may be interrupted at any moment. Nothing outside
# .deps changes but the installed Debian packages; nothing is fetched once all is there.
#   TORCH_ROOT=DIR          use this libtorch; CMAKE_PREFIX_PATH with a libtorch folder in it does the same
#   CIRCUITDIFF_CUDA=ON     fetch torch with the CUDA libraries that it depends on (several GB)
# An active Python (VIRTUAL_ENV, CONDA_PREFIX, python3 on PATH) that has torch 2.11 is used instead of the wheel.
set -euo pipefail
cd "$(dirname "$0")/.."

debian_packages=(g++ cmake ninja-build ccache lld pkg-config git ca-certificates python3 python3-venv
  libfmt-dev nlohmann-json3-dev libcli11-dev libtomlplusplus-dev libpcre2-dev libutf8proc-dev libssl-dev zlib1g-dev
  libflint-dev libflint-arb-dev libboost-math-dev libgtest-dev libgmock-dev
  clang-format-14 universal-ctags)  # the last two hold the source to its format and sizes, as tests
torch_minor=2.11
torch_wheels=(torch==2.11.0 nvidia-cuda-runtime==13.0.96 nvidia-cuda-cupti==13.0.85)
# vl-convert carries the Vega-Lite bundle that reports embed; the tests compare chat templates with jinja2.
tool_wheels=(vl-convert-python==1.9.0.post1 jinja2==3.1.6 markupsafe==3.0.3)
venv=.deps/venv
unfinished=.deps/venv.unfinished

say() { printf 'setup: %s\n' "$*" >&2; }
die() { printf 'error: setup: %s\n' "$*" >&2; exit 1; }

# --- Debian packages -------------------------------------------------------------------------------------------

missing_packages() {
  local installed
  installed=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' "${debian_packages[@]}" 2>/dev/null |
    sed -n 's/^installed //p' || true)
  printf '%s\n' "${debian_packages[@]}" | grep -vxF "${installed:-none}" || true
}

install_packages() {  # install_packages [sudo...]
  # The lists may be old or absent: one update, and only if something has to be fetched.
  say "installing with apt-get: ${missing[*]}"
  "$@" env DEBIAN_FRONTEND=noninteractive apt-get update -qq >.deps/apt.log 2>&1 ||
    { tail -n 3 .deps/apt.log >&2; die "apt-get update failed (log: .deps/apt.log): is there a network, is the mirror in /etc/apt right?"; }
  "$@" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >.deps/apt.log 2>&1 ||
    { tail -n 5 .deps/apt.log >&2; die "apt-get install failed (log: .deps/apt.log); the packages wanted: ${missing[*]}"; }
}

setup_packages() {
  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    local absent=()
    for tool in c++ cmake ninja ccache ld.lld pkg-config python3; do
      command -v "$tool" >/dev/null || absent+=("$tool")
    done
    [[ ${#absent[@]} == 0 ]] ||
      die "this is not a Debian system; install ${absent[*]} (names on Debian 12: ${debian_packages[*]}), then run make again"
    return 0
  fi
  mapfile -t missing < <(missing_packages)
  [[ ${#missing[@]} -gt 0 ]] || return 0
  local line="apt-get update && apt-get install -y --no-install-recommends ${missing[*]}"
  if [[ $(id -u) == 0 ]]; then
    install_packages
  elif command -v sudo >/dev/null && { sudo -n true 2>/dev/null || { [[ -t 0 ]] && sudo -v; }; }; then
    install_packages sudo
  else
    die "Debian packages are missing; as root, run:  $line"
  fi
  mapfile -t missing < <(missing_packages)
  [[ ${#missing[@]} == 0 ]] || die "apt-get ended without an error, yet these are not installed: ${missing[*]}"
}

# --- Python wheels ---------------------------------------------------------------------------------------------

has_libtorch() { [[ -n $1 && -e $1/include/ATen/Tensor.h && -e $1/lib/libtorch_cpu.so ]]; }

named_libtorch() {  # prints the libtorch folder that the environment names, if one does
  local dir prefix
  if [[ -n ${TORCH_ROOT:-} ]]; then
    has_libtorch "$TORCH_ROOT" ||
      die "TORCH_ROOT=$TORCH_ROOT holds no libtorch (include/ATen/Tensor.h and lib/libtorch_cpu.so are looked for)"
    echo "$TORCH_ROOT"
    return
  fi
  local -a prefixes
  IFS=':;' read -r -a prefixes <<<"${CMAKE_PREFIX_PATH:-}"
  for prefix in ${prefixes[@]+"${prefixes[@]}"}; do
    # A libtorch folder itself, a site-packages folder, or what torch.utils.cmake_prefix_path says.
    for dir in "$prefix" "$prefix/torch" "$prefix/../.."; do
      if has_libtorch "$dir"; then
        echo "$dir"
        return
      fi
    done
  done
}

active_torch() {  # prints the folder of the active Python's torch, if it has the pinned minor version
  local python dir
  for python in ${VIRTUAL_ENV:+"$VIRTUAL_ENV/bin/python"} ${CONDA_PREFIX:+"$CONDA_PREFIX/bin/python"} "$(command -v python3)"; do
    [[ -x $python ]] || continue
    dir=$("$python" -c "
import importlib.metadata as m, importlib.util as u
if m.version('torch').startswith('$torch_minor.'): print(u.find_spec('torch').submodule_search_locations[0])" 2>/dev/null) || continue
    if has_libtorch "$dir"; then
      echo "$dir"
      return
    fi
  done
}

make_venv() {
  local python=python3 wanted
  # Some Pythons come without venv; Debian's own has it, python3-venv is installed above.
  "$python" -c 'import venv, ensurepip' 2>/dev/null || python=/usr/bin/python3
  wanted=$("$python" -c 'import sys; print(sys.version_info >= (3, 10))')
  [[ $wanted == True ]] || die "$("$python" -V) is too old: torch $torch_minor needs Python 3.10 or newer"
  "$python" -m venv "$venv" >&2 || die "$python -m venv $venv failed; on Debian the package python3-venv provides it"
}

pip_install() {  # pip_install HINT WHEEL...
  local hint=$1
  local -a wheels
  shift
  mapfile -t wheels < <(printf '%s\n' "$@" | grep -v '^--')
  # --no-compile: thousands of .pyc files that nobody here runs.
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --no-compile "$@" >.deps/pip.log 2>&1 ||
    { grep -m 2 ERROR .deps/pip.log >&2 || tail -n 2 .deps/pip.log >&2
      die "pip could not install ${wheels[*]} (log: .deps/pip.log): is there a network, does the package index answer, is the disk full?$hint"; }
}

setup_wheels() {
  local torch_dir pins stamp=$venv/circuitdiff.stamp
  local -a torch=() torch_options=(--no-deps)
  torch_dir=$(named_libtorch)
  [[ -n $torch_dir ]] || torch_dir=$(active_torch)
  if [[ -z $torch_dir ]]; then
    torch=("${torch_wheels[@]}")
    [[ ${CIRCUITDIFF_CUDA:-AUTO} != ON ]] || { torch=(torch==2.11.0); torch_options=(); }
  fi
  pins="${torch[*]} ${torch_options[*]} ${tool_wheels[*]}"
  [[ ! -e $unfinished && -e $stamp && $(<"$stamp") == "$pins" ]] && return 0

  # Begun and not ended: what lies there may be half a package that looks whole.
  [[ ! -e $unfinished ]] || { say "an earlier set-up was interrupted; beginning again"; rm -rf "$venv"; }
  : >"$unfinished"
  if ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    rm -rf "$venv"
    make_venv
  fi
  pip_install "" --no-deps "${tool_wheels[@]}"
  if [[ ${#torch[@]} -gt 0 ]]; then
    local free_mb
    free_mb=$(df -Pm .deps | awk 'NR == 2 { print $4 }')
    compgen -G "$venv/lib/python3*/site-packages/torch/lib" >/dev/null || [[ $free_mb -gt 3000 ]] ||
      die "torch needs 3 GB of disk while it is being installed; $free_mb MB are free in $PWD"
    say "installing ${torch[*]} into $venv (530 MB to fetch, unless pip has it already)"
    pip_install " A libtorch $torch_minor folder does as well: make build TORCH_ROOT=/path/to/libtorch" \
      ${torch_options[@]+"${torch_options[@]}"} "${torch[@]}"
  else
    say "using the libtorch in $torch_dir"
  fi
  echo "$pins" >"$stamp"
  rm -f "$unfinished"
}

mkdir -p .deps
# Two makes at once would install into one folder; the second waits.
if command -v flock >/dev/null; then
  exec 9>.deps/lock
  flock -n 9 || { say "another set-up is running here; waiting for it"; flock 9; }
fi
setup_packages
setup_wheels

#!/usr/bin/env bash
# prepare.sh VENV: installs what the project's checks and its local access point need on Debian or Ubuntu:
# a few Debian packages (as root; otherwise it says which) and a virtual environment with the locked versions.
set -euo pipefail
venv=$1
here=$(cd "$(dirname "$0")/../.." && pwd)

# Shows, in one line of a terminal, what a program that installs something is at.
progress() {
  local line
  while read -r line; do
    [[ -t 1 && $line =~ ^(Get:|Unpacking|Setting|Downloading|Installing|Building) ]] || continue
    printf '\r\033[K  %.76s' "$line"
  done
  [[ ! -t 1 ]] || printf '\r\033[K'
}

if [[ ! -x $venv/bin/promtool ]]; then
  echo "The first run downloads about 650 MB, in some minutes: Debian packages, Python"
  echo "packages into $venv, and a small Debian with HTCondor. Later runs download nothing."
fi

# mmdebstrap builds the pool's root; uidmap lets it do so without being root; the keyring is missing on Ubuntu.
# podman builds and runs the service's image; shellcheck and systemd's own check are for deploy/.
wanted=(python3-venv mmdebstrap uidmap debian-archive-keyring podman shellcheck systemd)
# What podman starts containers with; Docker's packages bring a runc that Debian's would push out.
command -v runc >/dev/null || command -v crun >/dev/null || wanted+=(runc)
missing=()
for package in "${wanted[@]}"; do
  dpkg-query --show --showformat='${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
done
if ((${#missing[@]})); then
  if ((EUID == 0)); then
    export DEBIAN_FRONTEND=noninteractive
    echo "Installing ${missing[*]} ..."
    apt-get update -qq
    # A fresh machine may just be installing something of its own.
    apt-get install -y -o DPkg::Lock::Timeout=300 --no-install-recommends "${missing[@]}" | progress
  else
    echo "Please install: sudo apt-get install ${missing[*]}" >&2
    exit 1
  fi
fi

# The system's interpreter first: the workers run as an ordinary user, who may not reach root's own.
for python in "${PYTHON:-}" /usr/bin/python3 python3.14 python3.13 python3.12 python3.11 python3; do
  if [[ -z $python ]] || ! command -v "$python" >/dev/null; then continue; fi
  "$python" -c 'import sys; raise SystemExit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' && break
  python=
done
if [[ -z ${python:-} ]]; then
  echo "Please install Python 3.11 or newer with its venv module, or name one: make PYTHON=/path/to/python3" >&2
  exit 1
fi

[[ -x $venv/bin/python ]] || "$python" -m venv "$venv"

# promtool checks the alert rules of deploy/. Only this program is taken, because the package would start a server.
if [[ ! -x $venv/bin/promtool ]]; then
  echo "Taking promtool from Debian's package prometheus ..."
  unpacked=$(mktemp -d)
  trap 'rm -r "$unpacked"' EXIT
  (
    cd "$unpacked"
    download=(apt-get download -qq -o APT::Sandbox::User=root prometheus)
    "${download[@]}" || { apt-get update -qq && "${download[@]}"; }
    dpkg-deb --extract prometheus_*.deb .
  )
  mv "$unpacked/usr/bin/promtool" "$venv/bin/"
fi
echo "Installing the locked Python packages ..."
"$venv/bin/pip" install --progress-bar off --disable-pip-version-check --require-hashes -r "$here/requirements/dev.lock" |
  progress
"$venv/bin/pip" install -q --disable-pip-version-check --no-deps --editable "$here"

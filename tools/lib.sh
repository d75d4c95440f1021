# Shell functions shared by tools/demo.sh and tools/test.sh (POSIX sh).
#
#    Licensed under the Apache License, Version 2.0 (the "License"); you may
#    not use this file except in compliance with the License. You may obtain
#    a copy of the License at
#
#         http://www.apache.org/licenses/LICENSE-2.0
#
#    Unless required by applicable law or agreed to in writing, software
#    distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
#    WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
#    License for the specific language governing permissions and limitations
#    under the License.
#
# Source it with TOP set to the checkout:
#
#     TOP=$(cd "$(dirname "$0")/.." && pwd)
#     . "$TOP/tools/lib.sh"
#     need_packages demo                    # system packages of bindep.txt
#     make_venv "$REMOTEFS_VENV" demo       # the package with an extra
#     "$REMOTEFS_VENV/bin/cinder-remotefs" ...
#
# REMOTEFS_VENV names the virtual environment.  It is $TOP/.venv when the
# checkout belongs to the caller, and a folder in the caller's cache when it
# does not, so that root and users can share one checkout and never write
# into each other's files.

export LC_ALL=C.UTF-8
export PIP_NO_INPUT=1 PIP_DISABLE_PIP_VERSION_CHECK=1
export PIP_ROOT_USER_ACTION=ignore
# Git refuses a checkout that belongs to someone else, and pbr asks git for
# the version of the package.
export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory
export GIT_CONFIG_VALUE_0="$TOP"
export SKIP_GENERATE_AUTHORS=1 SKIP_WRITE_GIT_CHANGELOG=1

say() {
    printf '%s\n' "$*"
}

die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

now() {
    date +%s
}

# run_logged LOG TITLE COMMAND...: a long command on one line with its time.
# What it prints goes to LOG, which is shown when it fails.
run_logged() {
    _log=$1 _title=$2 _start=$(now)
    shift 2
    if "$@" >"$_log" 2>&1 </dev/null; then
        say "  $_title ($(($(now) - _start)) s)"
    else
        _rc=$?
        tail -n 60 "$_log" >&2
        say "  $_title FAILED ($(($(now) - _start)) s), log: $_log" >&2
        return "$_rc"
    fi
}

# --- system packages -------------------------------------------------------

# The platform names that bindep would match on this machine.
_platforms() {
    (
        . /etc/os-release
        printf '%s\n' "$ID" "$ID-$VERSION_ID" "$ID-${VERSION_CODENAME:-}"
        if command -v dpkg-query >/dev/null; then echo dpkg; fi
        if command -v rpm >/dev/null; then echo rpm; fi
    ) | sort -u
}

# list_packages PROFILE...: what bindep.txt asks for, one name a line.
# Bindep's rule: of the platforms in a selector one must match, of the
# profiles one must match, and nothing marked with "!" may match.
list_packages() {
    awk -v platforms="$(_platforms)" -v profiles="$*" '
        BEGIN {
            count = split(platforms, names)
            for (i = 1; i <= count; i++) have["platform:" names[i]] = 1
            count = split(profiles, names)
            for (i = 1; i <= count; i++) have[names[i]] = 1
        }
        { sub(/#.*/, "") }
        NF == 0 { next }
        {
            selector = ""
            if (match($0, /\[[^]]*\]/))
                selector = substr($0, RSTART + 1, RLENGTH - 2)
            asked["platform"] = asked["profile"] = 0
            found["platform"] = found["profile"] = 0
            refused = 0
            count = split(selector, atoms)
            for (i = 1; i <= count; i++) {
                atom = atoms[i]
                if (sub(/^!/, "", atom)) {
                    if (atom in have) refused = 1
                    continue
                }
                kind = (atom ~ /^platform:/) ? "platform" : "profile"
                asked[kind] = 1
                if (atom in have) found[kind] = 1
            }
            if (refused) next
            if (asked["platform"] && !found["platform"]) next
            if (asked["profile"] && !found["profile"]) next
            print $1
        }' "$TOP/bindep.txt" | sort -u
}

_is_installed() {
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = \
        installed ]
}

# missing_packages PROFILE...: those of list_packages that are not there.
missing_packages() {
    list_packages "$@" | while read -r _package; do
        _is_installed "$_package" || echo "$_package"
    done
}

# need_packages PROFILE...: installs what is missing, as root or with a sudo
# that asks for no password.  Otherwise it prints the command and ends.
need_packages() {
    if ! command -v dpkg-query >/dev/null; then
        say "Not a Debian or Ubuntu: packages are not installed for you." \
            "Needed:" $(list_packages "$@")
        return 0
    fi
    _missing=$(missing_packages "$@")
    [ -n "$_missing" ] || return 0
    _become=
    if [ "$(id -u)" -ne 0 ]; then
        _become='sudo -n'
        if ! sudo -n true 2>/dev/null; then
            say "System packages are missing. As root, run:" >&2
            say "  sudo sh $TOP/tools/install-packages.sh" $_missing >&2
            exit 1
        fi
    fi
    _log=$(mktemp "${TMPDIR:-/tmp}/remotefs-packages.XXXXXX")
    say "System packages:" $_missing
    run_logged "$_log" "packages installed" \
        $_become sh "$TOP/tools/install-packages.sh" $_missing || exit 1
    rm -f "$_log"
}

# --- the virtual environment -----------------------------------------------

# The system's own interpreter when there is one: a virtual machine that
# shares this file system has no other.
system_python() {
    if [ -x /usr/bin/python3 ]; then
        echo /usr/bin/python3
    else
        command -v python3 || die "python3 is not installed"
    fi
}

# True when the checkout is the caller's own, who may then write to it.
_own_checkout() {
    [ "$(stat -c %u "$TOP")" = "$(id -u)" ] && [ -w "$TOP" ]
}

_default_venv() {
    if _own_checkout; then
        echo "$TOP/.venv"
    else
        _sum=$(printf %s "$TOP" | cksum | cut -d' ' -f1)
        echo "${XDG_CACHE_HOME:-$HOME/.cache}/remotefs-drivers/venv-$_sum"
    fi
}

# list_sources: the files of the checkout as it lies, new ones included,
# without what git ignores; names end in NUL.
list_sources() {
    (
        cd "$TOP" || exit 1
        if [ -e .git ] && command -v git >/dev/null; then
            git ls-files -z --cached --others --exclude-standard |
                xargs -0 sh -c 'for f do [ -e "$f" ] && printf "%s\0" "$f"
                                done; :' sh
        else
            find . \( -name .git -o -name .venv -o -name .tox -o \
                -name __pycache__ -o -name '*.egg-info' \) -prune -o \
                -type f -print0
        fi
    )
}

# copy_sources DIR: a copy of the checkout that everybody can read.
copy_sources() {
    list_sources | tar -C "$TOP" --null -T - -cf - | tar -C "$1" -xf - &&
        chmod -R u+rwX,go+rX "$1"
}

# A copy has no history to take a version from.
_set_version() {
    if [ ! -e "$1/.git" ] && [ ! -e "$1/PKG-INFO" ]; then
        export PBR_VERSION=${PBR_VERSION:-0.0.1.dev0}
    fi
}

# _fingerprint HOW WORD...: of all that the installation depends on.  One
# that links to the checkout (HOW is "linked") follows its sources by itself.
_fingerprint() {
    (
        cd "$TOP" || exit 1
        printf '%s\n' "$@"
        cat setup.py setup.cfg pyproject.toml requirements.txt \
            lower-constraints.txt
        if [ "$1" != linked ]; then
            list_sources | grep -z '^\(\./\)\{0,1\}remotefs_drivers/' |
                xargs -0 cat
        fi
    ) | cksum
}

# _is_fresh STAMP WORD...: whether it was made from what is there now.
_is_fresh() {
    [ -e "$1" ] || return 1
    _stamp=$(cat "$1")
    shift
    [ "$_stamp" = "$(_fingerprint linked "$@")" ] ||
        [ "$_stamp" = "$(_fingerprint copied "$@")" ]
}

_pip_install() {
    if _own_checkout; then
        _set_version "$TOP"
        "$_venv/bin/pip" install "$@" -e "$TOP[$_extra]"
    else
        _copy=$(mktemp -d "${TMPDIR:-/tmp}/remotefs-source.XXXXXX") || return
        copy_sources "$_copy"
        _set_version "$_copy"
        "$_venv/bin/pip" install "$@" "$_copy[$_extra]" &&
            "$_venv/bin/pip" install --no-deps --force-reinstall "$_copy"
        _rc=$?
        rm -rf "$_copy"
        return "$_rc"
    fi
}

# make_venv DIR EXTRA [PIP ARGUMENT ...]: a virtual environment with this
# package, its extra (demo, test ...) and what the arguments name; a call
# whose inputs are those of the last one does nothing.  Ends the script when
# it fails.
make_venv() {
    _venv=$1 _extra=$2
    shift 2
    _python=$(system_python)
    _base="$_venv $_python $("$_python" -V)"
    if [ -e "$_venv/.remotefs-base" ] &&
        [ "$(cat "$_venv/.remotefs-base")" != "$_base" ]; then
        rm -rf "$_venv"
    fi
    if _is_fresh "$_venv/.remotefs-$_extra" "$_base" "$_extra" "$@"; then
        return 0
    fi
    if [ -e "$_venv" ] && [ ! -w "$_venv" ]; then
        die "$_venv is out of date and not yours: remove it or set" \
            "REMOTEFS_VENV to another place"
    fi
    mkdir -p "$(dirname "$_venv")"
    _log="$_venv.log"
    if [ ! -x "$_venv/bin/pip" ]; then
        run_logged "$_log" "virtual environment $_venv" \
            "$_python" -m venv "$_venv" || exit 1
        printf '%s\n' "$_base" >"$_venv/.remotefs-base"
    fi
    run_logged "$_log" "remotefs-drivers[$_extra] $*" _pip_install "$@" ||
        exit 1
    mv -f "$_log" "$_venv/pip.log"
    _how=copied
    if _own_checkout; then _how=linked; fi
    _fingerprint "$_how" "$_base" "$_extra" "$@" >"$_venv/.remotefs-$_extra"
}

: "${REMOTEFS_VENV:=$(_default_venv)}"
export REMOTEFS_VENV

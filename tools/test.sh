#!/bin/sh
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
# sh tools/test.sh [--allow-missing] [RING ...]
#
# All that CI runs, from a bare Debian or Ubuntu on: system packages, virtual
# environments, and the rings of tests.  Without a name all rings are run:
#
#   pep8        flake8 with OpenStack's hacking rules; the shell scripts parse
#   docs        the manual and the release notes build without a warning
#   unit        tests/unit
#   functional  tests/functional: a whole Cinder and Glance, over HTTP
#   crash       tests/crash: the service killed in each verb
#   demo        tools/demo.sh
#   short       tests/unit, and the tests of tests/functional that are marked
#               "short", on Cinder 27 with the lowest library versions that
#               we claim, and on Cinder 28 with today's
#   realnfs     tests/realnfs: a real NFS server in a small virtual machine
#
# As root: tests run as the user remotefs-test, which is made, and only those
# that are marked "root" (and realnfs) as root, since as root every check of
# rights passes.  As another user: root's tests are left out, which counts as
# a failure unless --allow-missing is given.  A test that is skipped counts
# as a failure on the same terms.
#
# REMOTEFS_VENV is the place of the virtual environment (see tools/lib.sh).

set -u
TOP=$(cd "$(dirname "$0")/.." && pwd)
. "$TOP/tools/lib.sh"

RINGS='pep8 docs unit functional crash demo short realnfs'
TEST_USER=remotefs-test
USER_PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
# Seconds after which a run of pytest is killed: three times what the longest
# ring takes on a small machine that runs three of them.
LIMIT=10800
export PATH="$PATH:/usr/sbin:/sbin" PYTHONDONTWRITEBYTECODE=1

ALLOW_MISSING=
ASKED=
for argument; do
    case "$argument" in
    --allow-missing) ALLOW_MISSING=yes ;;
    -h | --help) sed -n '/^# sh tools/,/^$/s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *)
        case " $RINGS " in
        *" $argument "*) ASKED="$ASKED $argument" ;;
        *) die "no ring is called $argument; there are: $RINGS" ;;
        esac
        ;;
    esac
done
ASKED=${ASKED:-$RINGS}

asked() {
    for _ring in "$@"; do
        case " $ASKED " in *" $_ring "*) return 0 ;; esac
    done
    return 1
}

is_root() {
    [ "$(id -u)" -eq 0 ]
}

# --- a place that the ordinary user can read -------------------------------

WORK=$(mktemp -d /var/tmp/remotefs.XXXXXX) || exit 1
chmod 755 "$WORK"
JOBS=
FUSE_MODE=

kill_tree() {
    for _child in $(ps -o pid= --ppid "$1" 2>/dev/null); do
        kill_tree "$_child"
    done
    kill "$1" 2>/dev/null
}

clean_up() {
    for _job in $JOBS; do
        kill_tree "$_job"
    done
    wait
    if [ -n "$FUSE_MODE" ]; then
        chmod "$FUSE_MODE" /dev/fuse
    fi
    rm -rf "$WORK"
}
trap clean_up EXIT
trap 'exit 1' HUP INT TERM

# Root's own folders in PATH would be closed to the user, and a program that
# is missing would be one that is forbidden.
as_user() {
    if is_root; then
        runuser -u "$TEST_USER" -- env -u TMPDIR -u XDG_CACHE_HOME \
            -u XDG_RUNTIME_DIR HOME="$WORK/home" PATH="$USER_PATH" "$@"
    else
        env HOME="$WORK/home" "$@"
    fi
}

make_user() {
    mkdir -p "$WORK/home"
    if is_root; then
        if ! id "$TEST_USER" >/dev/null 2>&1; then
            useradd --system --user-group --no-create-home \
                --shell /usr/sbin/nologin "$TEST_USER" ||
                die "cannot make the user $TEST_USER"
            say "user $TEST_USER made"
        fi
        chown "$TEST_USER:" "$WORK/home"
    fi
}

# Some tests mount as an ordinary user, by FUSE.  udev opens the device to
# all; where there is no udev, in a container, it may be root's alone.
open_fuse() {
    if is_root && asked functional short && [ -e /dev/fuse ] &&
        ! as_user test -w /dev/fuse; then
        FUSE_MODE=$(stat -c %a /dev/fuse)
        chmod 666 /dev/fuse
    fi
}

# The way to the checkout, by its path, and then all that is in it.
user_can_read_all() {
    as_user test -r "$TOP/setup.py" &&
        list_sources | (cd "$TOP" && as_user xargs -0 -r cat) >/dev/null 2>&1
}

# Root must not build in another user's checkout either.
settle_sources() {
    is_root || return 0
    if _own_checkout && user_can_read_all; then
        return 0
    fi
    say "$TOP is not for everybody to read: testing a copy of it," \
        "uncommitted changes included"
    mkdir "$WORK/source" && copy_sources "$WORK/source" || exit 1
    TOP="$WORK/source"
    REMOTEFS_VENV="$WORK/venv"
}

# --- what has to be installed ----------------------------------------------

profiles() {
    printf 'demo'
    if asked unit functional crash short; then printf ' test'; fi
    if asked realnfs; then printf ' realnfs'; fi
}

# The lowest versions that requirements.txt allows; they run on Python 3.11
# at most, where today's take their place.
make_venv_27() {
    if "$(system_python)" -c \
        'import sys; sys.exit(sys.version_info > (3, 12))'; then
        make_venv "$REMOTEFS_VENV-27" test cinder==27.0.0 \
            -c "$TOP/lower-constraints.txt"
    else
        make_venv "$REMOTEFS_VENV-27" test cinder==27.0.0
    fi
}

make_venv_28() {
    make_venv "$REMOTEFS_VENV-28" test cinder==28.0.0
}

# in_background NAME COMMAND...
in_background() {
    _name=$1
    shift
    "$@" >"$WORK/$_name.out" 2>&1 &
    JOBS="$JOBS $!"
    eval "JOB_$_name=$!"
}

# wait_for NAME: of in_background; shows what it said.
wait_for() {
    eval "_pid=\$JOB_$1"
    wait "$_pid"
    _rc=$?
    cat "$WORK/$1.out"
    return "$_rc"
}

install_rest() {
    need_packages $(profiles)
}

install_all() {
    # Without the first the rest cannot begin; then two things at a time.
    need_packages demo
    in_background rest install_rest
    make_venv "$REMOTEFS_VENV" test,pep8,docs
    if asked demo; then
        make_venv "$REMOTEFS_VENV" demo
    fi
    wait_for rest || exit 1
}

# --- rings -----------------------------------------------------------------

TABLE="$WORK/table"
: >"$TABLE"

# Rings run in more than one process: what failed is a file.
fail() {
    : >"$WORK/failed"
}

# record NAME SECONDS RC NOTE
record() {
    _state=passed
    if [ "$3" -ne 0 ]; then
        _state=FAILED
        fail
    fi
    printf '%-22s %-7s %5s s  %s\n' "$1" "$_state" "$2" "$4" >>"$TABLE"
}

# What this run of the script cannot do at all.
record_missing() {
    say "$1: not run: $2"
    if [ -z "$ALLOW_MISSING" ]; then
        fail
    fi
    printf '%-22s %-7s %5s    %s\n' "$1" "NOT RUN" - "$2" >>"$TABLE"
}

title() {
    printf '\n=== %s\n' "$*"
}

# run NAME COMMAND...
run() {
    _name=$1 _start=$(now)
    _out=$(mktemp -d "$WORK/run.XXXXXX")
    shift
    title "$_name"
    { "$@" </dev/null; echo $? >"$_out/rc"; } 2>&1 | tee "$_out/log"
    record "$_name" $(($(now) - _start)) "$(cat "$_out/rc")" \
        "$(grep -a '[^[:space:]]' "$_out/log" | tail -n 1 | tr -d '=' |
            cut -c 1-70)"
}

# run_pytest NAME WHO VENV ARGUMENT...: WHO is as_user or nothing.
run_pytest() {
    _ring=$1 _who=$2 _python="$3/bin/python"
    shift 3
    _tmp=$(mktemp -d "$WORK/tmp.XXXXXX")
    chmod 755 "$_tmp"
    if [ -n "$_who" ] && is_root; then
        chown "$TEST_USER:" "$_tmp"
    fi
    (
        cd "$TOP" || exit 1
        export HYPOTHESIS_STORAGE_DIRECTORY="$_tmp/hypothesis"
        run "$_ring" $_who timeout --kill-after=30 "$LIMIT" \
            "$_python" -m pytest -q -p no:cacheprovider \
            --basetemp="$_tmp/t" ${ALLOW_MISSING:+--allow-missing} "$@"
    )
    rm -rf "$_tmp"
}

has_tests() {
    find "$TOP/tests/$1" -name 'test_*.py' 2>/dev/null | grep -q .
}

# has_marked MARKER DIRECTORY: whether a test there has the marker.
has_marked() {
    grep -rqE --include='test_*.py' \
        "^ {0,4}@pytest\.mark\.$1|^pytestmark.*mark\.$1" "$TOP/tests/$2"
}

# run_ring NAME: as the ordinary user.
run_ring() {
    if has_tests "$1"; then
        run_pytest "$1" as_user "$REMOTEFS_VENV" -m 'not root' "tests/$1"
    else
        record_missing "$1" 'there are no tests'
    fi
}

# run_ring_as_root NAME: what is marked so.
run_ring_as_root() {
    if is_root; then
        run_pytest "$1, as root" '' "$REMOTEFS_VENV" -m root "tests/$1"
    else
        record_missing "$1, as root" 'needs root'
    fi
}

ring_pep8() {
    pep8() {
        cd "$TOP" && "$REMOTEFS_VENV/bin/flake8" || return
        for _script in tools/*.sh; do
            sh -n "$_script" || return
        done
        bash -n .ci/run devstack/plugin.sh || return
        echo "flake8 and the shell found nothing"
    }
    run pep8 pep8
}

ring_docs() {
    docs() {
        "$REMOTEFS_VENV/bin/sphinx-build" -q -W --keep-going -b html \
            -d "$WORK/doctrees" "$TOP/doc/source" "$WORK/html" || return
        if [ -e "$TOP/.git" ]; then
            "$REMOTEFS_VENV/bin/sphinx-build" -q -W --keep-going -b html \
                -d "$WORK/notetrees" "$TOP/releasenotes/source" \
                "$WORK/notes" || return
        fi
        echo "built without a warning"
    }
    run docs docs
}

ring_unit() {
    run_ring unit
}

ring_functional() {
    run_ring functional
}

ring_functional_as_root() {
    run_ring_as_root functional
}

ring_crash() {
    run_ring crash
    if has_marked root crash; then
        run_ring_as_root crash
    fi
}

ring_demo() {
    if [ -e "$TOP/tools/demo.sh" ]; then
        run demo as_user sh "$TOP/tools/demo.sh"
    else
        record_missing demo 'there is none'
    fi
}

ring_short() {
    for _release in 27 28; do
        # In a process of its own, which it ends when it fails.
        if ! ("make_venv_$_release"); then
            record "short, Cinder $_release" 0 1 'could not be installed'
            continue
        fi
        run_pytest "unit, Cinder $_release" as_user \
            "$REMOTEFS_VENV-$_release" -m 'not root' tests/unit
        if has_marked short functional; then
            run_pytest "short, Cinder $_release" as_user \
                "$REMOTEFS_VENV-$_release" -m 'short and not root' \
                tests/functional
        fi
    done
}

ring_realnfs() {
    if ! has_tests realnfs; then
        record_missing realnfs 'there are no tests'
    elif is_root; then
        run_pytest realnfs '' "$REMOTEFS_VENV" tests/realnfs
    else
        record_missing realnfs 'needs root'
    fi
}

# The rings that were asked for, the long ones first.
QUEUE="$WORK/queue"
queue_rings() {
    for ring in functional realnfs functional_as_root crash short demo unit \
        docs pep8; do
        if asked "${ring%_as_root}"; then
            printf '%s\n' "$ring"
        fi
    done >"$QUEUE"
}

# next_ring: takes one out of the queue, and prints its name.
next_ring() {
    until mkdir "$QUEUE.lock" 2>/dev/null; do
        sleep 0.1
    done
    head -n 1 "$QUEUE"
    sed -i 1d "$QUEUE"
    rmdir "$QUEUE.lock"
}

# Most tests wait for a service half of the time, so more rings run at once
# than a small machine has processors.
LANES=3
lane() {
    while ring=$(next_ring) && [ -n "$ring" ]; do
        "ring_$ring"
    done
}

BEGIN=$(now)
make_user
open_fuse
settle_sources
say 'Installing'
install_all
record install $(($(now) - BEGIN)) 0 "$("$REMOTEFS_VENV/bin/pip" list \
    2>/dev/null | awk '/^(cinder|glance|os-brick) /{printf "%s %s  ", $1, $2}')"
queue_rings
for number in $(seq 2 "$LANES"); do
    in_background "lane_$number" lane
done
# This one is not waited for by sh itself, which would hear of a signal only
# when it is over.
lane &
LANE=$!
JOBS="$JOBS $LANE"
wait "$LANE"
for number in $(seq 2 "$LANES"); do
    wait_for "lane_$number"
done

title "$(uname -srm), $(. /etc/os-release && echo "$PRETTY_NAME")," \
    "as $(id -un), $(($(now) - BEGIN)) s"
cat "$TABLE"
if [ -e "$WORK/failed" ]; then
    say 'FAILED'
    exit 1
fi
say 'all passed'

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
# btrfs: a share is a subvolume directly in the folder ROOT, its snapshots
# are read-only subvolumes in ROOT/.snapshots/SHARE.  Comes after common.sh.
#
# A snapshot is on disk when it is made, other things are not: the file system
# is synced before OK is said.  A share that is rolled back is replaced by a
# snapshot of its snapshot; what a crash leaves of that in ROOT/.work, the next
# verb on the share finishes or takes back (heal).

# names NAME...: of shares or snapshots.
names() {
    for name; do
        case $name in
        '' | . | .. | */* | *"$NEWLINE"* | .snapshots | .work)
            finish Failed "no share or snapshot can be called $name" ;;
        esac
    done
}

# subvolume PATH: is it one?  A link to one is none.
subvolume() {
    [ -d "$1" ] && [ ! -L "$1" ] && [ "$(stat -c %i "$1")" = 256 ]
}

exists() {
    [ -e "$1" ] || [ -L "$1" ]
}

sync_all() {
    said=$(btrfs filesystem sync "$root" 2>&1)
}

# remove PATH: a subvolume, for good.
remove() {
    said=$(btrfs subvolume delete -c "$1" 2>&1)
}

# lock: of roll backs and what heals them, until this ends.
lock() {
    [ -z "$locked" ] || return 0
    exec 9<"$snapshots" && flock 9 && locked=yes
}

# heal SHARE
heal() {
    exists "$work/old/$1" || exists "$work/new/$1" || return 0
    lock
    if exists "$work/old/$1"; then
        if exists "$root/$1"; then
            remove "$work/old/$1" || failed "$said"
        else
            said=$(mv -T "$work/old/$1" "$root/$1" 2>&1) || failed "$said"
        fi
    fi
    ! exists "$work/new/$1" || remove "$work/new/$1" || failed "$said"
    sync_all || failed "$said"
}

# --- limits, where the administrator has quotas on --------------------------

has_quotas() {
    btrfs qgroup show "$root" >/dev/null 2>&1
}

# quota PATH COLUMN: 2 is what it refers to, 4 the limit of that.
quota() {
    btrfs qgroup show -rF --raw "$1" | awk -v column="$2" \
        '$1 ~ /^0\// { print $column; exit }'
}

# limit PATH BYTES: no less than it holds.
limit() {
    has_quotas || return 0
    held=$(quota "$1" 2)
    number "$held" && [ "$held" -gt "$2" ] && set -- "$1" $((held + 16777216))
    said=$(btrfs qgroup limit "$2" "$1" 2>&1)
}

# --- what there is ----------------------------------------------------------

# children FOLDER: names of the subvolumes in it, a line each.
children() {
    [ -d "$1" ] || return 0
    find "$1" -mindepth 1 -maxdepth 1 -type d -inum 256 \
        ! -name "*$NEWLINE*" ! -name .snapshots ! -name .work -printf '%f\n'
}

# limit_of PATH: or none.
limit_of() {
    if [ -n "$quotas" ]; then
        quota "$1" 4
    else
        echo none
    fi
}

# describe SHARE: it, and its snapshots with numbers that grow.
describe() {
    quotas=$(has_quotas && echo yes)
    printf 'share\t%s\t%s\n' "$(limit_of "$root/$1")" "$1"
    children "$snapshots/$1" | while IFS= read -r name; do
        printf 'snapshot\t%s\t%s\n' \
            "$(btrfs inspect-internal rootid "$snapshots/$1/$name")" "$name"
    done
}

# --- verbs ------------------------------------------------------------------

do_check() { # CLIENTS
    need flock util-linux
    need find findutils
    check_exports "$1"
    [ -z "$1" ] || plain "$root" || finish NotReady \
        "$root cannot be exported one share at a time" \
        'Give it a name of letters, digits and ._:/+=@- only.'
}

# furnish PATH LIMIT OWNER CLIENTS: what a new one needs to be a share.
furnish() {
    give "$1" "$3" && limit "$1" "$2" && sync_all && export_share "$1" "$4"
}

# undo PATH: what was made, and say why.
undo() {
    why=$said
    unexport "$1"
    remove "$1" || why="$why; and $1 was made and stays: $said"
    failed "$why"
}

# vacant SHARE: there is none, nor what is left of one.
vacant() {
    heal "$1"
    ! exists "$root/$1" || finish ShareExists
    rmdir "$snapshots/$1" 2>/dev/null
    ! exists "$snapshots/$1" ||
        finish Failed "there are snapshots without a share in $snapshots/$1"
}

do_create() { # NAME LIMIT OWNER CLIENTS
    names "$1"
    bytes "$2"
    vacant "$1"
    said=$(btrfs subvolume create "$root/$1" 2>&1) || failed "$said"
    furnish "$root/$1" "$2" "$3" "$4" || undo "$root/$1"
    describe "$1"
}

do_clone() { # SHARE SNAPSHOT NAME LIMIT OWNER CLIENTS
    names "$1" "$2" "$3"
    bytes "$4"
    vacant "$3"
    subvolume "$snapshots/$1/$2" || finish SnapshotMissing
    said=$(btrfs subvolume snapshot "$snapshots/$1/$2" "$root/$3" 2>&1) ||
        failed "$said"
    furnish "$root/$3" "$4" "$5" "$6" || undo "$root/$3"
    describe "$3"
}

do_delete() { # NAME SNAPSHOT...
    names "$@"
    share=$1
    shift
    heal "$share"
    may_go "$@"
    for name; do
        subvolume "$snapshots/$share/$name" || continue
        remove "$snapshots/$share/$name" || failed "$said"
    done
    rmdir "$snapshots/$share" 2>/dev/null
    to_kernel "$root/$share" -u
    let_go
    if exists "$root/$share" && ! remove "$root/$share"; then
        why=$said
        to_kernel "$root/$share" -o
        failed "$why"
    fi
    unexport "$root/$share"
}

# may_go SNAPSHOT...: refuses unless all that a share has are some of these.
may_go() {
    ! exists "$root/$share" || subvolume "$root/$share" ||
        finish Failed "$root/$share is no subvolume"
    has=$(children "$snapshots/$share")
    while IFS= read -r found; do
        # The empty one, for when there is none.
        for name in "$@" ''; do
            [ "$name" != "$found" ] || continue 2
        done
        finish ShareInUse "it has a snapshot $found"
    done <<END
$has
END
    exists "$root/$share" || return 0
    said=$(btrfs subvolume list -o "$root/$share" 2>&1) || failed "$said"
    [ -z "$said" ] || finish ShareInUse "subvolumes in it: $said"
}

do_resize() { # NAME LIMIT
    names "$1"
    bytes "$2"
    heal "$1"
    subvolume "$root/$1" || finish ShareMissing
    # Twice: what it holds is known when it is on disk.
    sync_all && limit "$root/$1" "$2" && sync_all || failed "$said"
}

do_rename() { # NAME NEW_NAME CLIENTS
    names "$1" "$2"
    heal "$1"
    heal "$2"
    if subvolume "$root/$1"; then
        ! exists "$root/$2" || finish ShareExists
    else
        subvolume "$root/$2" || finish ShareMissing
    fi
    # The snapshots first: until the share follows, both are found again by
    # this, and by the same the other way round.
    rmdir "$snapshots/$2" 2>/dev/null
    move "$snapshots/$1" "$snapshots/$2" || failed "$said"
    to_kernel "$root/$1" -u
    if ! move "$root/$1" "$root/$2"; then
        why=$said
        move "$snapshots/$2" "$snapshots/$1"
        to_kernel "$root/$1" -o
        failed "$why"
    fi
    unexport "$root/$1"
    sync_all && export_share "$root/$2" "$3" || failed "$said"
    describe "$2"
}

# move PATH NEW_PATH: if it is there, and never into what is there.
move() {
    exists "$1" || return 0
    if exists "$2"; then
        said="$2 is there already"
        return 1
    fi
    said=$(mv -T "$1" "$2" 2>&1)
}

do_find() { # NAME
    names "$1"
    heal "$1"
    ! subvolume "$root/$1" || describe "$1"
}

do_list() {
    quotas=$(has_quotas && echo yes)
    # Those that are being rolled back have no other place for a moment.
    { children "$root"; children "$work/old"; } | sort -u |
        while IFS= read -r name; do
            printf 'share\t%s\t%s\n' "$(limit_of "$root/$name")" "$name"
        done
}

do_snapshot() { # NAME SHARE
    names "$@"
    heal "$2"
    [ "$#" -eq 2 ] || finish Unsupported
    subvolume "$root/$2" || finish ShareMissing
    ! exists "$snapshots/$2/$1" || finish SnapshotExists
    said=$(mkdir -p "$snapshots/$2" && btrfs subvolume snapshot -r \
        "$root/$2" "$snapshots/$2/$1" 2>&1) || failed "$said"
    sync_all || failed "$said"
}

do_delete_snapshot() { # SHARE NAME
    names "$1" "$2"
    subvolume "$snapshots/$1/$2" || return 0
    remove "$snapshots/$1/$2" || failed "$said"
    rmdir "$snapshots/$1" 2>/dev/null
    return 0
}

do_rename_snapshot() { # SHARE NAME NEW_NAME
    names "$1" "$2" "$3"
    if subvolume "$snapshots/$1/$2"; then
        ! exists "$snapshots/$1/$3" || finish SnapshotExists
    else
        subvolume "$snapshots/$1/$3" || finish SnapshotMissing
    fi
    move "$snapshots/$1/$2" "$snapshots/$1/$3" && sync_all || failed "$said"
}

do_promote() { # SHARE: no clone depends on anything
    names "$1"
    heal "$1"
    subvolume "$root/$1" || finish ShareMissing
}

do_roll_back() { # SHARE SNAPSHOT
    names "$1" "$2"
    lock
    heal "$1"
    subvolume "$root/$1" && subvolume "$snapshots/$1/$2" ||
        finish SnapshotMissing
    said=$(mkdir -p "$work/new" "$work/old" && btrfs subvolume snapshot \
        "$snapshots/$1/$2" "$work/new/$1" 2>&1) || failed "$said"
    quotas=$(has_quotas && echo yes)
    size=$(limit_of "$root/$1")
    if { ! number "$size" || limit "$work/new/$1" "$size"; } && sync_all &&
        move "$root/$1" "$work/old/$1" && move "$work/new/$1" "$root/$1"; then
        sync_all || failed "$said"
    else
        why=$said
        heal "$1"
        failed "$why"
    fi
    let_go
    heal "$1"
    rmdir "$work/new" "$work/old" "$work" 2>/dev/null
    return 0
}

do_capacity() {
    # Units are the same for all; of the numbers, the last is what users get.
    said=$(stat -f -c '%S %b %a' "$root" 2>&1) || failed "$said"
    read -r unit all free <<END
$said
END
    printf '%s %s\n' $((unit * all)) $((unit * free))
}

root=$1 verb=$2
snapshots=$root/.snapshots work=$root/.work locked=
shift 2
begin
case $root in
/*"$NEWLINE"* | */../* | */.. | *//*) finish Failed "$root is no root" ;;
/*) ;;
*) finish Failed "$root is no absolute path" ;;
esac
need btrfs btrfs-progs
[ "$(stat -f -c %T "$root" 2>&1)" = btrfs ] || finish NotReady \
    "$root is not in a btrfs file system" 'Mount it, or make the folder.'
[ -d "$snapshots" ] || finish NotReady \
    "there is no folder $snapshots" \
    "Is the file system mounted? If it is, and is new: mkdir $snapshots"
case $verb in
check | create | clone | delete | resize | rename | find | list | snapshot | \
    delete_snapshot | rename_snapshot | promote | roll_back | capacity)
    "do_$verb" "$@" ;;
*) finish Failed "there is no verb $verb" ;;
esac
finish OK

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
# ZFS: a share is a file system directly below the dataset ROOT.  Comes after
# common.sh.
#
# Nothing here is recursive, and nothing is forced.  What zfs commands do is
# on disk when they return.  Their messages are taken to tell why something
# failed, never whether it did; they are the same in OpenZFS, FreeBSD,
# illumos and zfs-fuse.

PROPERTIES=type,mountpoint,refquota,origin,createtxg

# names NAME...: no other can be one, and none of them means more than one
# dataset, as a,b or a%b do.
names() {
    for name; do
        case $name in
        '' | . | .. | *[!A-Za-z0-9_.:\ -]*) finish Failed "ZFS has no name $name" ;;
        esac
    done
}

# exists DATASET: nothing is taken for missing because ZFS could not tell, or
# because the pool is not there.
exists() {
    found=$(zfs list -H -o name "$1" 2>&1) && return 0
    case $found in
    *'does not exist'* | *'no such pool'*) ;;
    *) failed "$found" ;;
    esac
    [ "$1" = "$root" ] || need_root
    return 1
}

need_root() {
    exists "$root" ||
        finish NotReady "it has no dataset $root" \
            "Import its pool, or make it: zfs create $root"
}

# path_of DATASET: sets path; fails unless it is mounted there.
path_of() {
    said=$(zfs get -H -o value mounted,mountpoint "$1" 2>&1) || return 1
    path=${said#*"$NEWLINE"}
    [ "${said%%"$NEWLINE"*}" = yes ] && return 0
    said="$1 is not mounted"
    return 1
}

# describe DATASET: of it and its snapshots.  Old releases have no property
# clones; there the origins of all shares tell.
describe() {
    zfs get -Hp -d 1 -o name,property,value "$PROPERTIES,clones" "$1" \
        2>/dev/null && return 0
    said=$(zfs get -Hp -d 1 -o name,property,value "$PROPERTIES" "$1" 2>&1) ||
        return 1
    printf '%s\n' "$said"
    zfs get -Hp -d 1 -o name,property,value origin "$root"
}

# clones_of DATASET: what hangs on its snapshots, a line each.
clones_of() {
    if said=$(zfs get -H -d 1 -o value clones "$1" 2>/dev/null); then
        printf '%s\n' "$said" | tr , '\n' | grep -v '^-*$'
        return
    fi
    zfs get -Hp -r -o name,value origin "${root%%/*}" |
        awk -F '\t' -v start="$1@" 'index($2, start) == 1 { print $1 }'
}

# destroy DATASET|SNAPSHOT
destroy() {
    said=$(zfs destroy "$1" 2>&1) && return 0
    case $1:$said in
    *@*) return 1 ;;
    *busy*) unmounted "$1" zfs destroy "$1" ;;
    *) return 1 ;;
    esac
}

# unmounted DATASET COMMAND...: again, for what ZFS found busy.  The NFS
# server may hold it open, and zfs-fuse lets go of it late.
unmounted() {
    dataset=$1 held=
    shift
    let_go
    for pause in 0 0.2 0.4 0.8 1.6 3.2; do
        rest "$pause"
        held=$(zfs unmount "$dataset" 2>&1)
        said=$("$@" 2>&1) && return 0
        case $said:$held in
        *busy*:*'not currently mounted'*) without_clones "$@" && return 0 ;;
        *busy*:*) ;;
        *) break ;;
        esac
    done
    zfs mount "$dataset" >/dev/null 2>&1
    case $said in
    # Who holds it is in the other message, if anywhere.
    *busy*) said=$said${held:+; $held} ;;
    esac
    return 1
}

# rest SECONDS: whole ones where sleep knows no others.
rest() {
    sleep "$1" 2>/dev/null || sleep 1
}

# without_clones COMMAND...: the dataset is not mounted and busy all the same.
# zfs-fuse finds it so while a clone of it is mounted, and no other ZFS does:
# nothing else has a reason to take clones from those who work with them.
without_clones() {
    case $(stat -f -c %T "$(zfs get -H -o value mountpoint "$root")" 2>&1) in
    fuse*) ;;
    *) return 1 ;;
    esac
    clones=$(clones_of "$dataset" | while IFS= read -r clone; do
        ! zfs unmount "$clone" >/dev/null 2>&1 || printf '%s\n' "$clone"
    done)
    [ -n "$clones" ] || return 1
    rest 0.5
    said=$("$@" 2>&1)
    result=$?
    mount_all "$clones"
    return "$result"
}

# mount_all DATASETS: a line each, as soon as zfs-fuse has let go of them.
mount_all() {
    printf '%s\n' "$1" | while IFS= read -r clone; do
        for try in 1 2 3 4 5 6; do
            ! zfs mount "$clone" >/dev/null 2>&1 || break
            rest 0.5
        done
    done
}

# furnish DATASET QUOTA OWNER CLIENTS: what a new one needs to be a share.
# The quota comes last but for the export: what is on disk when it is set
# includes the owner.
furnish() {
    path_of "$1" && give "$path" "$3" && limit "$1" "$2" &&
        export_share "$path" "$4"
}

# limit DATASET QUOTA: no less than it holds.
limit() {
    said=$(zfs set "refquota=$2" "$1" 2>&1) && return 0
    case $said in
    *'less than current'*) return 0 ;;
    esac
    return 1
}

# undo DATASET: what was made, and say why.
undo() {
    why=$said
    path_of "$1" && unexport "$path"
    destroy "$1" || why="$why; and $1 was made and stays: $said"
    failed "$why"
}

do_check() { # CLIENTS
    need zfs ZFS
    need_root
    path_of "$root" || finish NotReady "$said" \
        "Give it a mount point: zfs set mountpoint=/... $root; zfs mount $root"
    check_exports "$1"
    # There is nothing of these names; zfs-fuse takes one only.
    case $(zfs snapshot "$root/.none@none" "$root/.none@nothing" 2>&1) in
    *'too many arguments'*) echo one ;;
    *) echo several ;;
    esac
}

do_create() { # NAME QUOTA OWNER CLIENTS
    names "$1"
    bytes "$2"
    said=$(zfs create "$root/$1" 2>&1) ||
        case $said in
        *'already exists'*) finish ShareExists ;;
        *successfully*) undo "$root/$1" ;;
        *) failed "$said" ;;
        esac
    furnish "$root/$1" "$2" "$3" "$4" || undo "$root/$1"
    describe "$root/$1"
}

do_clone() { # SHARE SNAPSHOT NAME QUOTA OWNER CLIENTS
    names "$1" "$2" "$3"
    bytes "$4"
    said=$(zfs clone "$root/$1@$2" "$root/$3" 2>&1) ||
        case $said in
        *'already exists'*) finish ShareExists ;;
        *successfully*) undo "$root/$3" ;;
        *) exists "$root/$1@$2" || finish SnapshotMissing
            failed "$said" ;;
        esac
    furnish "$root/$3" "$4" "$5" "$6" || undo "$root/$3"
    describe "$root/$3"
}

do_delete() { # NAME SNAPSHOT...
    names "$@"
    share=$root/$1
    name=$1
    shift
    said=$(zfs list -H -d 1 -t filesystem,volume,snapshot -o type,name \
        "$share" 2>&1) || {
        why=$said
        exists "$share" && failed "$why"
        # Cut off before the end, the last time.
        path_of "$root" && unexport "$path/$name"
        finish OK
    }
    listed=$said
    may_go "$@"
    for name; do
        destroy "$share@$name" || gone "$share@$name" ||
            finish ShareInUse "$said"
    done
    path=
    path_of "$share" && to_kernel "$path" -u
    if ! destroy "$share" && ! gone "$share"; then
        why=$said
        [ -z "$path" ] || to_kernel "$path" -o
        finish ShareInUse "$why"
    fi
    [ -z "$path" ] || unexport "$path"
}

# may_go SNAPSHOT...: refuses unless what is listed of a share is itself and
# some of these, on which nothing hangs.
may_go() {
    go=
    while IFS=$TAB read -r kind found; do
        case $kind:$found in
        "filesystem:$share") continue ;;
        "volume:$share") failed "$share is a volume, no file system" ;;
        snapshot:*) ;;
        *) finish ShareInUse "it has a dataset $found" ;;
        esac
        for name; do
            [ "$share@$name" = "$found" ] && go=yes && continue 2
        done
        finish ShareInUse "it has a snapshot ${found#*@}"
    done <<END
$listed
END
    [ -n "$go" ] || return 0
    hanging=$(clones_of "$share")
    [ -z "$hanging" ] || finish ShareInUse "clones: $hanging"
}

# gone DATASET: destroy failed since there was nothing to destroy.
gone() {
    why=$said
    ! exists "$1" && return 0
    said=$why
    return 1
}

do_resize() { # NAME QUOTA
    names "$1"
    bytes "$2"
    limit "$root/$1" "$2" && return
    exists "$root/$1" || finish ShareMissing
    failed "$said"
}

do_rename() { # NAME NEW_NAME CLIENTS
    names "$1" "$2"
    if ! exists "$root/$1"; then
        exists "$root/$2" || finish ShareMissing
    elif exists "$root/$2"; then
        finish ShareExists
    else
        move "$root/$1" "$root/$2" || failed "$said"
    fi
    path_of "$root/$2" && export_share "$path" "$3" || failed "$said"
    describe "$root/$2"
}

# move DATASET NEW_NAME
move() {
    path=
    path_of "$1" && to_kernel "$path" -u
    if said=$(zfs rename "$1" "$2" 2>&1) || {
        unmounted "$1" zfs rename "$1" "$2" && zfs mount "$2"; }; then
        [ -z "$path" ] || unexport "$path"
        return 0
    fi
    why=$said
    [ -z "$path" ] || to_kernel "$path" -o
    said=$why
    return 1
}

do_find() { # NAME
    names "$1"
    describe "$root/$1" && return
    why=$said
    ! exists "$root/$1" || failed "$why"
}

do_list() {
    said=$(zfs get -Hp -d 1 -o name,property,value "$PROPERTIES" "$root" 2>&1) ||
        failed "$said"
    printf '%s\n' "$said"
}

do_snapshot() { # NAME SHARE...: of all of them at one moment
    names "$@"
    name=$1
    shift
    count=$#
    for share; do
        set -- "$@" "$root/$share@$name"
    done
    shift "$count"
    said=$(zfs snapshot "$@" 2>&1) && return
    why=$said
    case $why in
    *'too many arguments'*) finish Unsupported ;;
    esac
    for wanted; do
        share=${wanted%@*}
        exists "$share" || finish ShareMissing "${share#"$root/"}"
        ! exists "$wanted" || finish SnapshotExists "${share#"$root/"}"
    done
    failed "$why"
}

do_delete_snapshot() { # SHARE NAME
    names "$1" "$2"
    destroy "$root/$1@$2" || gone "$root/$1@$2" ||
        finish SnapshotInUse "$said"
}

do_rename_snapshot() { # SHARE NAME NEW_NAME
    names "$1" "$2" "$3"
    if said=$(zfs rename "$root/$1@$2" "$root/$1@$3" 2>&1); then
        describe "$root/$1"
        return
    fi
    why=$said
    if ! exists "$root/$1@$2"; then
        exists "$root/$1@$3" || finish SnapshotMissing
        describe "$root/$1"
    elif exists "$root/$1@$3"; then
        finish SnapshotExists
    else
        failed "$why"
    fi
}

do_promote() { # SHARE
    names "$1"
    said=$(zfs promote "$root/$1" 2>&1) && return
    case $said in
    *'not a cloned filesystem'*) return ;;
    *conflict*)
        finish SnapshotExists '' "$(printf %s "$said" | sed -n \
            "s/.*snapshot \(name \)\{0,1\}'\([^']*\)'.*/\2/p")" ;;
    esac
    exists "$root/$1" || finish ShareMissing
    failed "$said"
}

do_roll_back() { # SHARE SNAPSHOT
    names "$1" "$2"
    said=$(zfs rollback "$root/$1@$2" 2>&1) && return
    exists "$root/$1@$2" || finish SnapshotMissing
    case $said in
    *'more recent snapshots'*) finish RollbackRefused "$said" ;;
    esac
    failed "$said"
}

do_capacity() {
    said=$(zfs get -Hp -o value used,available "$root" 2>&1) || failed "$said"
    printf '%s %s\n' $((${said%%"$NEWLINE"*} + ${said#*"$NEWLINE"})) \
        "${said#*"$NEWLINE"}"
}

root=$1 verb=$2
shift 2
begin
case $root in
'' | /* | */ | *[!A-Za-z0-9_.:/-]*) finish Failed "$root is no dataset" ;;
esac
case $verb in
check | create | clone | delete | resize | rename | find | list | snapshot | \
    delete_snapshot | rename_snapshot | promote | roll_back | capacity)
    "do_$verb" "$@" ;;
*) finish Failed "there is no verb $verb" ;;
esac
finish OK

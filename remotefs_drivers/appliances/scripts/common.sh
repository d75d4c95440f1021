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
# What all appliances that are asked over SSH have in common.  This text, and
# that of the appliance's kind after it, is one program:
#
#     sh PROGRAM ROOT VERB [ARGUMENT ...]
#
# It is sent along with each question, or installed on the appliance (see
# appliance_program).  Where it is installed, whoever holds the key can do
# with it what it does, below ROOT, and nothing else; so it trusts no argument.
#
# The answer: a line "remotefs-answer 1", what the verb has to say, and a line
# "remotefs-end NAME<TAB>FIELD ...".  NAME is OK, or that of an error.  Without
# the last line it is not known what was done.  It goes on when nobody listens
# any more, so that nothing is left half done but by a crash.

set -u -f
umask 022
trap '' HUP INT TERM PIPE
export LC_ALL=C
export PATH=/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin

EXPORTS=/etc/exports.d
TAB=$(printf '\t')
NEWLINE='
'

# finish NAME [FIELD ...]
finish() {
    printf '\nremotefs-end %s' "$1"
    shift
    for field; do
        printf '\t%s' "$(printf %s "$field" | tr '\n\r\t' '   ')"
    done
    printf '\n'
    exit 0
}

# failed TEXT: what a command said that did not work.
failed() {
    case $1 in
    *'out of space'* | *'o space left'* | *'uota exceeded'*)
        finish Full "$1" ;;
    esac
    finish Failed "$1"
}

# need PROGRAM PACKAGE
need() {
    command -v "$1" >/dev/null ||
        finish NotReady "it has no program $1" "Install $2 there."
}

# plain WORD: may it be part of a path, and of a line of exports?
plain() {
    case $1 in
    '' | *[!A-Za-z0-9._:/+=@-]*) return 1 ;;
    esac
}

# numbers TEXT: is it UID:GID?
numbers() {
    case $1 in
    *[!0-9:]* | *:*:* | :* | *:) return 1 ;;
    *:*) return 0 ;;
    esac
    return 1
}

# number TEXT: is it a number of bytes?
number() {
    case $1 in
    '' | *[!0-9]*) return 1 ;;
    esac
}

# bytes TEXT: refuses what is no number of bytes.
bytes() {
    number "$1" || finish Failed "$1 is no number of bytes"
}

flush() {
    sync -f "$1" 2>/dev/null || sync
}

# give PATH OWNER: the root folder of a share to who may make files in it.
give() {
    numbers "$2" || { said="owner $2 is not of the form UID:GID"; return 1; }
    said=$(chown -h "$2" "$1" 2>&1)
}

# --- exports ---------------------------------------------------------------
# A share has a file of its own in exports.d, so that it is exported after a
# restart as well, and what exportfs is told is read from there.

# exports_file PATH
exports_file() {
    printf '%s/remotefs%s.exports' "$EXPORTS" "$(printf %s "$1" | tr / =)"
}

# to_kernel PATH -o|-u: tell the kernel what the file of a path says, if
# there is one.
to_kernel() {
    file=$(exports_file "$1")
    [ -e "$file" ] || return 0
    read -r _ clients <"$file"
    for client in $clients; do
        host=${client%%(*}
        case $host in
        *:*) host="[$host]" ;;
        esac
        options=${client#*(}
        case $2 in
        -o) said=$(exportfs -o "${options%)}" "$host:$1" 2>&1) || return 1 ;;
        -u) exportfs -u "$host:$1" >/dev/null 2>&1 ;;
        esac
    done
    return 0
}

# export_share PATH CLIENTS: nothing for no clients.  Its file is whole or
# not there.
export_share() {
    [ -n "$2" ] || return 0
    plain "$1" || { said="path $1 cannot be exported"; return 1; }
    case $2 in
    *[\"\'\\\#]* | *"$NEWLINE"*)
        said="clients $2 cannot be exported to"
        return 1 ;;
    esac
    file=$(exports_file "$1")
    said=$({ mkdir -p "$EXPORTS" && printf '%s %s\n' "$1" "$2" >"$file.new" &&
        flush "$file.new" && mv "$file.new" "$file" && flush "$EXPORTS"; } 2>&1) &&
        to_kernel "$1" -o
}

# unexport PATH: for good.
unexport() {
    file=$(exports_file "$1")
    [ -e "$file" ] || return 0
    to_kernel "$1" -u
    rm -f "$file"
    flush "$EXPORTS"
}

# let_go: have the kernel's NFS server forget what it holds open.
let_go() {
    command -v exportfs >/dev/null && exportfs -f >/dev/null 2>&1
}

# check_exports CLIENTS
check_exports() {
    [ -z "$1" ] || need exportfs 'the kernel'\''s NFS server (nfs-kernel-server or nfs-utils)'
}

# begin: what everybody does first.
begin() {
    printf 'remotefs-answer 1\n'
    [ "$(id -u)" = 0 ] ||
        finish NotReady 'the commands do not run as root' \
            'Set appliance_sudo, and let sudo run them without a password.'
}

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
# The exportfs of a box (box.py).  It takes the options that ours use, and
# keeps what is exported in /run/exports, a line "client:/path options" each.
# It is as particular as the real one about what it is told.

set -eu -f
TABLE=/run/exports

fail() {
    printf 'exportfs: %s\n' "$1" >&2
    exit 1
}

# others CLIENT:PATH: the lines that are not about it.
others() {
    while read -r export options; do
        [ "$export" = "$1" ] || printf '%s %s\n' "$export" "$options"
    done <"$TABLE"
}

check() {
    case $1 in
    \[*\]:/*) path=${1#*\]:} ;;
    [!\[]*:/*) path=${1#*:} ;;
    *) fail "Invalid export: $1" ;;
    esac
    [ -d "$path" ] || fail "Failed to stat $path: No such directory"
}

exec 9>>/run/exports.lock
flock 9
touch "$TABLE"
case ${1:-} in
-f) ;;
-o)
    [ "$#" -eq 3 ] || fail 'usage: exportfs -o options client:/path'
    case $2 in
    '' | *[!A-Za-z0-9_=,.:-]*) fail "unknown keyword \"$2\"" ;;
    esac
    check "$3"
    others "$3" >"$TABLE.new"
    printf '%s %s\n' "$3" "$2" >>"$TABLE.new"
    mv "$TABLE.new" "$TABLE"
    ;;
-u)
    [ "$#" -eq 2 ] || fail 'usage: exportfs -u client:/path'
    others "$2" >"$TABLE.new"
    cmp -s "$TABLE" "$TABLE.new" && fail "Could not find '$2' to unexport."
    mv "$TABLE.new" "$TABLE"
    ;;
*) fail 'usage: exportfs -f, -o options client:/path, -u client:/path' ;;
esac

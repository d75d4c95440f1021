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
# sh tools/demo.sh [--backend posix|glusterfs] [--keep] [--threads]
#                  [--directory PATH]
#
# From a bare Debian or Ubuntu to a whole Cinder on this machine with two
# backends of this library, a Glance beside it, and a volume taken through
# its life with its content compared: system packages (as root, or by a sudo
# that asks for no password; otherwise the command to run is printed), a
# virtual environment, and "cinder-remotefs demo" with the arguments given
# here.
#
# With "--backend glusterfs", for root, the volumes are on a real GlusterFS of
# three replicas, in a network of its own on this machine.
#
# REMOTEFS_VENV is the place of the virtual environment (see tools/lib.sh).

set -u
TOP=$(cd "$(dirname "$0")/.." && pwd)
. "$TOP/tools/lib.sh"

case " $* " in
*' -h '* | *' --help '*)
    sed -n '/^# sh tools/,/^$/s/^# \{0,1\}//p' "$0"
    exit 0
    ;;
esac

PROFILES=demo
case " $* " in *glusterfs*) PROFILES='demo glusterfs' ;; esac

need_packages $PROFILES
make_venv "$REMOTEFS_VENV" demo
exec "$REMOTEFS_VENV/bin/cinder-remotefs" demo "$@"

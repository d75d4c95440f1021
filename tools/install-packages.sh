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
# install-packages.sh PACKAGE...: apt-get, as root, without a question.
#
# The tests need the programs of some packages (a message broker, say) and
# start them by themselves, on ports of their own.  So no service is started
# here and none is left to start with the machine.

set -eu
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1
export APT_LISTCHANGES_FRONTEND=none

POLICY=/usr/sbin/policy-rc.d
OURS=

[ "$(id -u)" -eq 0 ] || { echo "run this as root" >&2; exit 1; }
[ "$#" -gt 0 ] || { echo "usage: $0 PACKAGE..." >&2; exit 2; }

# Debian's own switch for "start nothing now"; one that is there stays.
forbid_services() {
    if [ -e "$POLICY" ]; then
        return
    fi
    OURS=yes
    printf '#!/bin/sh\nexit 101\n' >"$POLICY"
    chmod 755 "$POLICY"
}

allow_services() {
    if [ -n "$OURS" ]; then
        rm -f "$POLICY"
    fi
}

enabled_units() {
    if [ -d /run/systemd/system ]; then
        systemctl list-unit-files --no-legend --state=enabled | cut -d' ' -f1
    fi
}

# disable_new OLD NEW: units that were not enabled before are not now.
disable_new() {
    for unit in $2; do
        case " $(echo $1) " in
        *" $unit "*) ;;
        *) echo "disabled: $unit" && systemctl disable "$unit" ;;
        esac
    done
}

apt() {
    apt-get -q -y -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 "$@"
}

trap allow_services EXIT
trap 'exit 1' HUP INT TERM
before=$(enabled_units)
forbid_services
apt update || echo "some lists could not be had; going on with the others"
apt -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \
    --no-install-recommends install "$@"
disable_new "$before" "$(enabled_units)"

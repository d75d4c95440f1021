#!/bin/bash
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
# devstack/plugin.sh: sets up backends of remotefs_drivers.  See README.rst.

REMOTEFS_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

function install_remotefs {
    setup_develop "$REMOTEFS_DIR"
    install_package qemu-utils
    if [[ ,$REMOTEFS_BACKENDS, == *,nfs,* ]]; then
        install_package nfs-common
        if [[ -z $REMOTEFS_NFS_SHARES ]]; then
            install_package nfs-kernel-server
        fi
    fi
}

# What both backends have.
function configure_remotefs_common {
    local backend=$1
    iniset "$CINDER_CONF" "$backend" volume_backend_name "$backend"
    iniset "$CINDER_CONF" "$backend" nas_secure_file_operations true
    iniset "$CINDER_CONF" "$backend" nas_secure_file_permissions \
        "$REMOTEFS_SECURE_PERMISSIONS"
}

function configure_remotefs_posix {
    local directory
    for directory in ${REMOTEFS_POSIX_DIRECTORIES//,/ }; do
        sudo install -d -o "$STACK_USER" -m 755 "$directory"
    done
    iniset "$CINDER_CONF" posix volume_driver \
        remotefs_drivers.posix.PosixDriver
    iniset "$CINDER_CONF" posix posix_directories \
        "$REMOTEFS_POSIX_DIRECTORIES"
    iniset "$CINDER_CONF" posix posix_attach_type \
        "$REMOTEFS_POSIX_ATTACH_TYPE"
}

# An export of this host to itself, for one that has no NFS server.
function export_remotefs_nfs {
    sudo install -d -o "$STACK_USER" -m 755 "$REMOTEFS_NFS_EXPORT"
    echo "$REMOTEFS_NFS_EXPORT 127.0.0.1(rw,no_subtree_check,no_root_squash)" |
        sudo tee /etc/exports.d/remotefs.exports >/dev/null
    sudo exportfs -ra
}

function configure_remotefs_nfs {
    local shares=$CINDER_CONF_DIR/remotefs_nfs_shares
    if [[ -z $REMOTEFS_NFS_SHARES ]]; then
        sudo install -d /etc/exports.d
        export_remotefs_nfs
        REMOTEFS_NFS_SHARES=127.0.0.1:$REMOTEFS_NFS_EXPORT
    fi
    printf '%s\n' $REMOTEFS_NFS_SHARES >"$shares"
    sudo install -o root -m 644 \
        "$REMOTEFS_DIR/etc/rootwrap.d/remotefs.filters" \
        "$CINDER_CONF_DIR/rootwrap.d/"
    iniset "$CINDER_CONF" nfs volume_driver remotefs_drivers.nfs.NfsDriver
    iniset "$CINDER_CONF" nfs nfs_shares_config "$shares"
    iniset "$CINDER_CONF" nfs nfs_mount_options "$REMOTEFS_NFS_MOUNT_OPTIONS"
    # Where the service may make mount points of its own.
    iniset "$CINDER_CONF" nfs nfs_mount_point_base "$DATA_DIR/cinder/mnt"
}

# Adds our backends to those that devstack made.
function configure_remotefs {
    local backend enabled
    enabled=$(iniget "$CINDER_CONF" DEFAULT enabled_backends)
    for backend in ${REMOTEFS_BACKENDS//,/ }; do
        "configure_remotefs_$backend"
        configure_remotefs_common "$backend"
        enabled=${enabled:+$enabled,}$backend
    done
    iniset "$CINDER_CONF" DEFAULT enabled_backends "$enabled"
}

function create_remotefs_types {
    local backend
    for backend in ${REMOTEFS_BACKENDS//,/ }; do
        openstack --os-cloud devstack-admin volume type create \
            --property volume_backend_name="$backend" "$backend"
    done
}

function cleanup_remotefs {
    if [[ -e /etc/exports.d/remotefs.exports ]]; then
        sudo rm /etc/exports.d/remotefs.exports
        sudo exportfs -ra
    fi
}

if is_service_enabled c-vol; then
    case "$1 $2" in
    'stack install') install_remotefs ;;
    'stack post-config') configure_remotefs ;;
    'stack extra') create_remotefs_types ;;
    esac
    case "$1" in
    clean) cleanup_remotefs ;;
    esac
fi

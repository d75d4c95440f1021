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

"""Cinder volume drivers that keep volumes as files on shared file systems.

The rooms, from the top; each imports only from those below it::

    posix, nfs, glusterfs, gpfs, appliance
                    one driver for each kind of share, thin
    gpfs_groups     GPFS: groups of volumes, each with a fileset
    remotefs/       the verbs, their locks and decisions
    clonefile       the same as the next one, where the file system makes
                    snapshots and copies
    volumefile      the files of one volume on its share
    nova            what the QEMU of a guest does for us, by way of Nova
    hands           how work on the files of one volume is done
    cloner          how the file system makes clones, and parents go
    gpfs_site, gpfs_attributes, gpfs_images, gpfs_snapshots
                    what GPFSDriver must find, what metadata may ask of it,
                    images that lie in GPFS, and snapshots of a fileset
    appliances/     NFS appliances: what one must be able to do, and the
                    ones that we ship
    images          images of Glance to volume files, and back
    states          what a volume's state tells a driver
    formats         the recorded formats of a volume; files are never asked
    attachments     the recorded attachments, which follow the active file
    locks           locks on volumes
    share/          which shares there are, mounting, capacity, choice
    settings/       what the operator configured, frozen
    connections     what hosts are told that attach a volume
    options         all options
    privileged      what needs root, in a privsep context of its own
    store/          what lies on a share, and what is done to it: files,
                    the journal, the executor of plans
    gpfs_commands/  the mm* commands of GPFS: what may be asked for, how it
                    is run, what comes back
    qemu/           programs: the only room that starts any, by a small
                    process of its own
    chain/          pure: the layers of a volume, and a plan for each verb
    names, offload  file names of a volume; calls that must not hang
    errors          every exception

    conformance     does a class have all that cinder-volume calls?
    embedded/, cmd/ a whole Cinder in one process, and the command
                    cinder-remotefs; the drivers never import these

A verb goes this way::

    driver verb -> locks.volumes(ids) -> shares.known(volume)
                -> VolumeFile(means, volume, share).chain()
                   what lies there: store.survey; what a crash left of a
                   plan is finished: store.executor; judged: store.loader
                -> chain.plan.delete_snapshot(chain, id)
                -> VolumeFile.apply(plan) -> store.executor
                -> shares.call(share, what, function): mounted? itself?
                   then the call, off the event loop, with a time limit
                -> store.files, qemu.image
"""

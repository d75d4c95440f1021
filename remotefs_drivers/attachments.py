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
"""What Cinder has on record for the hosts that a volume is attached to.

Nova opens what is on record there when an instance is started again, so
that has to follow the volume's active file: a guest that comes up on the
base of a chain writes into its snapshots.
"""

from oslo_log import log as logging

LOG = logging.getLogger(__name__)

_NAME, _FORMAT = 'name', 'format'


def settle(volume, chain):
    """Let all attachments name the active file of a chain."""
    active = chain.active
    for attachment in volume.volume_attachment:
        info = attachment.connection_info
        # Cinder's own, and those by a path, carry raw volumes without
        # snapshots.
        if not info or _NAME not in info:
            continue
        wanted = {_NAME: active.name, _FORMAT: active.format}
        if wanted.items() <= info.items():
            continue
        LOG.info('Volume %s: attachment %s names %s (%s) from now on, not '
                 '%s (%s)', volume.id, attachment.id, active.name,
                 active.format, info.get(_NAME), info.get(_FORMAT))
        # Only a new object is seen as a change.
        attachment.connection_info = dict(info, **wanted)
        attachment.save()


def instances(volume):
    """The ids of the instances that have a volume, each once."""
    return sorted({attachment.instance_uuid for attachment
                   in volume.volume_attachment if attachment.instance_uuid})

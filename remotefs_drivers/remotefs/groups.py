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

"""What verbs of groups have in common: one thing for each of many.

Cinder takes care of groups by itself, volume by volume, unless their type
asks for snapshots of one moment (consistent_group_snapshot_enabled). A verb
answers with what became of the group, and of each.
"""

from cinder.volume import volume_utils
from oslo_log import log as logging

LOG = logging.getLogger(__name__)


def refuse_generic(group):
    """:raises NotImplementedError: for a group that is Cinder's to do"""
    if not volume_utils.is_group_a_cg_snapshot_type(group):
        raise NotImplementedError()


def same(some, status):
    """One thing became of all.

    :returns: (update of the group or group snapshot, updates of each)
    """
    return {'status': status}, [{'id': each.id, 'status': status}
                                for each in some]


def each(some, verb, done, failed):
    """Do something to all of a group, whatever becomes of one of them.

    :param verb: called with each; what it raises is written to the log
    :param done: status of what it was done to, and of all if it was to all
    :param failed: of the others, and of all if there is any
    :returns: as same()
    """
    updates, status = [], done
    for one in some:
        try:
            verb(one)
            its_status = done
        except Exception:
            LOG.exception('%s of a group failed', one.id)
            its_status = status = failed
        updates.append({'id': one.id, 'status': its_status})
    return {'status': status}, updates

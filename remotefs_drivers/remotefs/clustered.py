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

"""What a driver has to say of clusters, in which several hosts work."""

from oslo_log import log as logging

from remotefs_drivers import errors
from remotefs_drivers import locks

LOG = logging.getLogger(__name__)


class Clustered:
    """For a driver: Cinder's coordination locks.

    Services of several hosts may work on the same shares at the same time.
    """

    SUPPORTS_ACTIVE_ACTIVE = True
    locks_class = locks.CoordinationLocks

    def check_for_setup_error(self):
        """Say so when the hosts of a cluster may not see each other's locks.

        Files on a share of all of them would do, so it is no error.
        """
        super().check_for_setup_error()
        if self.cluster_name and locks.are_files():
            LOG.warning('Cluster %s: the locks are files (backend_url in '
                        '[coordination]). Unless their folder is shared by '
                        'all hosts of the cluster, two of them can work on '
                        'one volume at the same time and damage it. Use '
                        'etcd, say.', self.cluster_name)

    # Cinder asks these of what supports clusters

    def failover_host(self, context, volumes, secondary_id=None, groups=None):
        """:raises NothingToFailOver: since nothing is replicated"""
        raise errors.NothingToFailOver(backend=self._settings.backend_name)

    def failover_completed(self, context, active_backend_id=None):
        """Nothing: no volume has moved."""

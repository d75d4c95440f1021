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

"""Following long work."""

from oslo_log import log as logging

LOG = logging.getLogger(__name__)

#: Percent between two lines in the log.
_STEP = 10


class Log:
    """Takes percentages, and writes every tenth into the log.

    :param what: is being done, the beginning of the line
    :param watcher: called with every tenth as well
    """

    def __init__(self, what, watcher=None):
        self._what = what
        self._watcher = watcher
        self._next = _STEP

    def __call__(self, percent):
        if percent < self._next:
            return
        LOG.info('%s: %d %%', self._what, percent)
        self._next = percent - percent % _STEP + _STEP
        if self._watcher is not None:
            self._watcher(percent)

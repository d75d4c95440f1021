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

"""What can go wrong with an embedded cloud, told so that one can act."""


class CloudError(Exception):
    """Base of the others; its text is one message, then the log's end."""

    def __init__(self, message, log=''):
        super().__init__('%s\n%s' % (message, log) if log else message)
        self.message = message
        self.log = log


class SpecInvalid(CloudError, ValueError):
    """The spec asks for what can't be had; nothing was started."""


class NotInstalled(CloudError):
    """A program or a file of Cinder or Glance is missing."""


class PortTaken(CloudError):
    """Another process listens on the port that this cloud owns."""


class NotReady(CloudError):
    """A service ended, or did not answer in time."""


class Timeout(CloudError):
    """A resource did not come to the state that was waited for."""


class ResourceFailed(CloudError):
    """A volume, snapshot, backup or image went to an error state."""


class GuestFailed(CloudError):
    """QEMU refused something, or has ended."""


class Refused(CloudError):
    """A request to the hypervisor that Nova would refuse.

    :ivar code: HTTP's status
    """

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code

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

import os

from tests.realnfs import start


def pytest_configure(config):
    config.addinivalue_line(
        'markers', 'realnfs: needs the virtual machine with an NFS server')
    config.addinivalue_line(
        'markers', 'limit(seconds): how long this test may take in there')
    config.addinivalue_line(
        'markers', 'service_user: runs in there as a user who is not root')
    if start.DATABASE not in os.environ:
        # Not earlier: the machine has no qemu and needs none.
        from tests.realnfs import dispatch
        config.pluginmanager.register(dispatch.Dispatcher(config))

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

"""What a host is told that attaches a volume."""

import pytest

from remotefs_drivers import connections


@pytest.mark.parametrize('attach_type', sorted(connections.RAW_ONLY))
def test_by_a_path(attach_type):
    assert connections.device(attach_type, '/mnt/a/volume-1', 'raw') == {
        'driver_volume_type': attach_type,
        'data': {'device_path': '/mnt/a/volume-1', 'format': 'raw'}}


@pytest.mark.parametrize('options, told', [
    (None, {}), ('', {}), ('-o vers=4', {'options': '-o vers=4'})])
def test_by_a_share(options, told):
    assert connections.share('nfs', 'nas:/a', 'volume-1', 'qcow2',
                             options) == {
        'driver_volume_type': 'nfs',
        'data': {'export': 'nas:/a', 'name': 'volume-1', 'format': 'qcow2',
                 **told}}

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

"""Long work in the log."""

import pytest

from remotefs_drivers.qemu import progress


@pytest.mark.parametrize('percents, lines', [
    ([0.0, 1.0, 9.9], []),
    ([10.0], ['10']),
    ([0.0, 9.0, 11.0, 19.9, 20.0, 100.0], ['11', '20', '100']),
    # A step that jumps over several lines makes one.
    ([55.5, 56.0, 60.1], ['55', '60']),
    ([100.0, 100.0], ['100']),
])
def test_every_tenth(caplog, percents, lines):
    caplog.set_level('INFO')
    log = progress.Log('Copying volume v')
    for percent in percents:
        log(percent)
    assert [record.getMessage() for record in caplog.records] == [
        'Copying volume v: %s %%' % line for line in lines]


def test_somebody_watches():
    """As often as the log is written, and not each time."""
    heard = []
    log = progress.Log('Copying volume v', heard.append)
    for percent in (0.0, 9.9, 10.5, 11.0, 55.5, 100.0):
        log(percent)
    assert heard == [10.5, 55.5, 100.0]

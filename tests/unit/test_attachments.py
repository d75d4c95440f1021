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
"""What is on record for hosts follows the active file."""

import dataclasses

import pytest

from remotefs_drivers import attachments
from tests.unit import chains
from tests.unit import fakes

CHAIN = chains.make(1)
INFO = {'name': CHAIN.active.name, 'format': 'qcow2', 'export': 'nas:/a',
        'options': None}


@pytest.mark.parametrize('change', [
    {'name': chains.BASE, 'format': 'raw'}, {'format': 'raw'},
    {'name': chains.BASE}])
def test_a_stale_one(change):
    """A hard reboot would open the base."""
    attachment = fakes.Attachment(dict(INFO, **change))
    before = attachment.connection_info
    attachments.settle(fakes.Volume(volume_attachment=[attachment]), CHAIN)
    assert attachment.saved == [INFO]
    # Cinder sees no change in the same object.
    assert attachment.connection_info is not before


@pytest.mark.parametrize('info', [
    INFO, None, {}, {'device_path': '/a/volume-1', 'format': 'raw'}])
def test_others_stay(info):
    attachment = fakes.Attachment(info)
    attachments.settle(fakes.Volume(volume_attachment=[attachment]), CHAIN)
    assert attachment.saved == []


def test_both_hosts_of_an_instance_that_moves():
    some = [fakes.Attachment(dict(INFO, name=chains.BASE)) for __ in 'ab']
    attachments.settle(fakes.Volume(volume_attachment=some), CHAIN)
    assert [each.saved for each in some] == [[INFO], [INFO]]


def test_back_to_one_layer():
    chain = dataclasses.replace(chains.make(0, 'qcow2'))
    attachment = fakes.Attachment(INFO)
    attachments.settle(fakes.Volume(volume_attachment=[attachment]), chain)
    assert attachment.connection_info['name'] == chains.BASE


@pytest.mark.parametrize('ids, expected', [
    ([], []), ([None], []), (['b', None, 'a', 'b'], ['a', 'b'])])
def test_instances(ids, expected):
    volume = fakes.Volume(volume_attachment=[
        fakes.Attachment(instance_uuid=each) for each in ids])
    assert attachments.instances(volume) == expected

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


"""The class itself, and what of the optional it offers."""

from oslo_config import cfg

from remotefs_drivers.appliances import interface
from remotefs_drivers.appliances.testing import box as boxes
from remotefs_drivers.appliances.testing import ground as grounds


def test_it_is_an_appliance(box):
    assert isinstance(box.appliance, interface.Appliance)
    assert box.vendor_name is None or isinstance(box.vendor_name, str)
    assert box.name and isinstance(box.name, str)


def test_its_options_are_explained(box):
    for option in box.get_options():
        assert isinstance(option, cfg.Opt)
        assert option.help, 'option %s has no help' % option.name


def test_a_password_is_a_secret(box):
    """Or it would be in the log of each start."""
    for option in box.get_options():
        if option.name.endswith(('password', 'token', 'secret')):
            assert option.secret, option.name


def test_it_can_do_what_it_is_asked_at_start(box):
    box.check()


def test_what_is_offered(box, ground, depends):
    """Nothing here is wrong; the end of the report says what it means."""
    share, snapshot, clone = ground.family()
    second = grounds.snapshot_name()
    if not box.can('create_snapshots', [share, clone], second):
        box.create_snapshot(clone, second)
    box.can('roll_back', clone, second)
    box.can('promote', clone)
    box.can('rename_snapshot', clone, second, 'other')
    box.can('rename_share', clone, ground.name())
    assert box.seen.done | box.seen.refused >= set(boxes.OPTIONAL)


def test_what_it_says_that_it_offers(box, ground, depends):
    """offers() and what it does are the same thing."""
    test_what_is_offered(box, ground, depends)
    assert {method: box.appliance.offers(method)
            for method in boxes.OPTIONAL} == {
                method: method in box.seen.done for method in boxes.OPTIONAL}


def test_what_must_be_there_is_offered(box):
    for method in interface.Appliance.__abstractmethods__:
        assert box.appliance.offers(method)


def test_what_depends_is_told_from_both_ends(box, bystander, depends):
    share, snapshot, clone = bystander
    assert box.find_share(share).snapshots[0].clones == (
        (clone,) if depends else ())
    assert box.find_share(clone).origin == (
        (share, snapshot) if depends else None)

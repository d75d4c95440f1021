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


"""What others had stays, and nothing of ours does.

The name of this module makes it the last one.
"""

from remotefs_drivers.appliances.testing import values

#: How many of the shares that were there are looked at closely.
_SOME = 20


def test_the_bystander_is_as_it_was(box, bystander, depends):
    share, snapshot, clone = bystander
    found = box.find_share(share)
    assert [each.name for each in found.snapshots] == [snapshot]
    assert box.find_share(clone).origin == (
        (share, snapshot) if depends else None)


def test_what_was_there_is_there(box, before):
    after = {share.name: values.bare(share) for share in box.list_shares()}
    for name, share in before.items():
        assert after.get(name) == values.bare(share)


def test_and_is_found(box, before):
    for share in list(before.values())[:_SOME]:
        found = box.find_share(share.name)
        assert values.bare(found) == values.bare(share)
        assert share.snapshots in (None, found.snapshots)


def test_nothing_of_the_suite_is_left(box, bystander, made):
    found = {share.name for share in box.list_shares()}
    assert found & set(made) == set(bystander[::2])

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

"""What a chain is after a plan, said without looking at any file."""

from remotefs_drivers.chain import model
from remotefs_drivers.chain import plan

OLD, MIDDLE, NEW = 'aaaa', 'bbbb', 'cccc'


def name_of(snapshot):
    return 'volume-1.%s' % snapshot


def chain_of(*snapshots, sizes=(4, 4, 4, 4)):
    """A raw base with overlays; sizes in bytes, the lowest first."""
    layers = [model.Layer('volume-1', 'raw', sizes[0])]
    for snapshot, size in zip(snapshots, sizes[1:]):
        below = layers[-1]
        layers.append(model.Layer(name_of(snapshot), 'qcow2', size,
                                  below.name, below.format))
    table = {each: name_of(each) for each in snapshots}
    return model.Chain('1', 'volume-1', tuple(layers),
                       model.Info(layers[-1].name, table) if table else None)


def test_create():
    one = chain_of(OLD)
    assert chain_of(OLD, NEW, sizes=(4, 4, 8)) == plan.outcome(
        one, plan.create_snapshot(one, NEW, 8))


def test_delete():
    one = chain_of(OLD, MIDDLE, NEW)
    for gone in (OLD, MIDDLE, NEW):
        left = [each for each in (OLD, MIDDLE, NEW) if each != gone]
        assert chain_of(*left) == plan.outcome(
            one, plan.delete_snapshot(one, gone))


def test_delete_the_only_one():
    one = chain_of(OLD)
    assert chain_of() == plan.outcome(one, plan.delete_snapshot(one, OLD))


def test_a_merge_makes_what_is_below_larger():
    one = chain_of(OLD, NEW, sizes=(4, 8, 8))
    assert chain_of(NEW, sizes=(8, 8)) == plan.outcome(
        one, plan.delete_snapshot(one, OLD))


def test_revert():
    one = chain_of(OLD, NEW, sizes=(4, 4, 8))
    assert one == plan.outcome(one, plan.revert(one, NEW, 8,
                                                '.volume-1.new-overlay'))


def test_mend():
    one = chain_of(OLD, NEW)
    base, old, new = one.layers
    crooked = model.Chain('1', 'volume-1', (
        base, model.Layer(old.name, 'qcow2', 4, '/mnt/volume-1', None), new),
        one.info)
    assert one == plan.outcome(crooked, plan.mend(crooked))

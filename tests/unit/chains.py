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


"""Chains as they come about, and plans for them.

``volume-1 <- volume-1.1 <- volume-1.2`` of the snapshots 1, 2.
"""

import dataclasses

from hypothesis import strategies

from remotefs_drivers.chain import model
from remotefs_drivers.chain import plan
from remotefs_drivers import errors

BASE = 'volume-1'
SIZE = 4096
TEMPORARY = '.volume-1.new-overlay'


def ident(number):
    """The id of a snapshot."""
    return '00000000-0000-4000-8000-%012d' % number


def overlay(number):
    return '%s.%d' % (BASE, number)


def make(depth, base_format='raw', standalone=False, sizes=None):
    """A chain with so many snapshots, 1 the oldest.

    :param standalone: the lowest layer is an overlay itself: 0 was deleted
                       while a guest ran, and took the base along
    """
    names = [overlay(0) if standalone else BASE,
             *(overlay(number) for number in range(1, depth + 1))]
    formats = ['qcow2' if standalone else base_format] + ['qcow2'] * depth
    sizes = sizes or [SIZE] * (depth + 1)
    layers = [model.Layer(names[0], formats[0], sizes[0])]
    for number in range(1, depth + 1):
        layers.append(model.Layer(
            names[number], 'qcow2', sizes[number], names[number - 1],
            formats[number - 1]))
    info = None
    if depth or standalone:
        info = model.Info(names[-1], {ident(number): overlay(number)
                                      for number in range(1, depth + 1)})
    return model.Chain('1', BASE, tuple(layers), info)


def with_info(chain, snapshots):
    """With more records, of snapshot ids and names."""
    return dataclasses.replace(chain, info=model.Info(
        chain.active.name, {**chain.snapshots, **snapshots}))


def spoiled(chain, place, wrong):
    """With other values in the header of one layer."""
    layers = list(chain.layers)
    values = dict(wrong)
    if values.get('backing'):
        values['backing'] %= layers[place - 1].name
    layers[place] = dataclasses.replace(layers[place], **values)
    return dataclasses.replace(chain, layers=tuple(layers))


@strategies.composite
def chains(draw):
    """Chains as they come about, with records of what is not there."""
    chain = make(draw(strategies.integers(0, 6)),
                 draw(strategies.sampled_from(['raw', 'qcow2'])),
                 draw(strategies.booleans()))
    stale = {ident(number): overlay(number) for number in
             draw(strategies.sets(strategies.sampled_from([7, 8]),
                                  max_size=2))}
    if draw(strategies.booleans()) and chain.lowest.name != BASE:
        stale[ident(0)] = overlay(0)
    if stale:
        chain = with_info(chain, stale)
    for place in range(1, len(chain.layers)):
        if draw(strategies.booleans()):
            chain = spoiled(chain, place, {'backing_format': None})
    return chain


@strategies.composite
def planned(draw):
    """(a chain, a plan for it)"""
    chain = draw(chains())
    made = [plan.create_snapshot(chain, ident(9), SIZE), plan.mend(chain)]
    for snapshot in chain.snapshots:
        made.append(plan.delete_snapshot(chain, snapshot))
        for verb in (lambda: plan.revert(chain, snapshot, SIZE, TEMPORARY),
                     lambda: plan.rename_snapshot(chain, snapshot, ident(9))):
            try:
                made.append(verb())
            except (errors.SnapshotUnknown, errors.SnapshotNotNewest):
                continue
    return chain, draw(strategies.sampled_from([each for each in made
                                                if each is not None]))

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
"""python -m benchmarks.gpfs: our GPFSDriver beside the one in Cinder's tree.

On an emulated GPFS, which answers the mm* programs within some milliseconds:
real ones take tens, so that what is told of children matters more than what
is told of time. For root, who needs no root helper.
"""

import argparse
import contextlib
import os
import statistics
import sys
import tempfile

from remotefs_drivers.embedded import rights

#: Operation -> most children that ours may have.
GOALS = {'create': 0, 'snapshot': 1, 'copy of a snapshot': 1, 'clone': 2,
         'delete snapshot': 1, 'delete': 1, 'delete, a parent waits': 2,
         'extend': 0, 'attach': 0, 'stats': 1}


class Bench:
    """:param driver: set up, of a rig"""

    def __init__(self, rig, driver):
        self.rig = rig
        self.driver = driver

    def prepare(self, operation):
        """What it needs, untimed; returns the call, and what it made."""
        return getattr(self, '_' + operation.replace(', ', '_').replace(
            ' ', '_'))()

    def remove(self, things):
        """Snapshots first."""
        for each in sorted(things, key=lambda one: hasattr(one, 'volume_id'),
                           reverse=True):
            if hasattr(each, 'volume_id'):
                self.rig.delete_snapshot(self.driver, each)
            else:
                self.driver.delete_volume(each)
                each.destroy()

    def _create(self):
        volume = self.rig.new_volume(self.driver)
        return lambda: self.driver.create_volume(volume), [volume]

    def _snapshot(self):
        volume = self.rig.volume(self.driver)
        snapshot = self.rig.new_snapshot(volume)
        return (lambda: self.driver.create_snapshot(snapshot),
                [volume, snapshot])

    def _copy_of_a_snapshot(self):
        volume = self.rig.volume(self.driver)
        snapshot = self.rig.snapshot(self.driver, volume)
        copy = self.rig.new_volume(self.driver)
        return (lambda: self.driver.create_volume_from_snapshot(
            copy, snapshot), [copy, volume, snapshot])

    def _clone(self):
        volume = self.rig.volume(self.driver)
        copy = self.rig.new_volume(self.driver)
        return (lambda: self.driver.create_cloned_volume(copy, volume),
                [copy, volume])

    def _delete_snapshot(self):
        volume = self.rig.volume(self.driver)
        snapshot = self.rig.snapshot(self.driver, volume)
        return (lambda: self.rig.delete_snapshot(self.driver, snapshot),
                [volume])

    def _delete(self):
        volume = self.rig.volume(self.driver)
        return lambda: self.driver.delete_volume(volume), []

    def _delete_a_parent_waits(self):
        volume = self.rig.volume(self.driver)
        self.rig.delete_snapshot(self.driver, self.rig.snapshot(self.driver,
                                                                volume))
        return lambda: self.driver.delete_volume(volume), []

    def _extend(self):
        volume = self.rig.volume(self.driver)
        return lambda: self.driver.extend_volume(volume, 2), [volume]

    def _attach(self):
        volume = self.rig.volume(self.driver)
        return (lambda: self.driver.initialize_connection(volume, {}),
                [volume])

    def _stats(self):
        return lambda: self.driver.get_volume_stats(refresh=True), []


def measure(benches, operation, rounds, clock):
    """:returns: median of milliseconds without the database, of each bench
    """
    samples = [[] for __ in benches]
    for __ in range(rounds):
        for bench, found in zip(benches, samples):
            call, things = bench.prepare(operation)
            found.append(clock.time(call).net)
            bench.remove(things)
    return [statistics.median(found) for found in samples]


def count(benches, operation, counter):
    """:returns: children of one call, of each bench"""
    counted = []
    for bench in benches:
        call, things = bench.prepare(operation)
        counted.append(counter.count(call).started)
        bench.remove(things)
    return counted


def main():
    parser = argparse.ArgumentParser(prog='python -m benchmarks.gpfs',
                                     description=__doc__.split('\n')[0])
    parser.add_argument('--rounds', type=int, default=7)
    rounds = parser.parse_args().rounds
    if os.geteuid() != 0:
        raise SystemExit('The driver in Cinder\'s tree works as root: be '
                         'root.')
    rights.stay()
    # These import Cinder, whose rights are settled now.
    from benchmarks import meter
    from cinder import objects
    from tests.functional import gpfs_places
    from tests import rig as rigs
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(
            prefix='remotefs-bench-'))
        place = gpfs_places.Place(stack, folder, level='1404',
                                  version='14.10 (4.1.0.4)')
        stack.enter_context(place.programs())
        rig = rigs.Rig(stack.enter_context(tempfile.TemporaryDirectory()))
        benches = [Bench(rig, rig.driver(path, section, **place.options(
            nas_secure_file_operations='false') if section == 'ours'
            else place.options())) for section, path in (
                ('tree', gpfs_places.IN_TREE), ('ours', gpfs_places.DRIVER))]
        clock = meter.DatabaseClock()
        clock.install(objects.Volume, objects.Snapshot, objects.VolumeList)
        times = {name: measure(benches, name, rounds, clock)
                 for name in GOALS}
        counter = meter.ChildCounter()
        met = [_line(name, times[name], count(benches, name, counter))
               for name in GOALS]
    sys.exit(0 if all(met) else 1)


def _line(name, times, children):
    """Print a line of the table; returns whether the goal is met."""
    met = children[1] <= GOALS[name]
    print('%-24s tree %2d children %8.2f ms   ours %2d children %8.2f ms   '
          'ratio %6.1f   %s' % (
              name, children[0], times[0], children[1], times[1],
              times[0] / times[1], 'ok' if met else
              'MORE THAN %d CHILDREN' % GOALS[name]), flush=True)
    return met


if __name__ == '__main__':
    main()

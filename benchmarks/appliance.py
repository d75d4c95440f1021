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

"""python -m benchmarks.appliance: ApplianceNfsDriver on an appliance.

How many round trips to the appliance a verb takes, over what the appliance
needs for it, and how long; and whether a copy of ten GiB costs as much as
one of one. On this host: a real ZFS or btrfs behind a real sshd, or folders
behind the HTTP API, on an XFS that shares blocks. For root.
"""

import argparse
import contextlib
import os
import statistics
import sys
import tempfile
import time

from oslo_utils import units

from remotefs_drivers.embedded import mounts
from remotefs_drivers.embedded import rights

#: Operation -> changes that the appliance itself must be asked for, each a
#: round trip. A copy is a snapshot, and a clone of that; with it goes the
#: snapshot, when the clone does.
NEEDS = {'create': 1, 'snapshot': 1, 'copy of a snapshot': 1, 'clone': 2,
         'delete snapshot': 1, 'delete': 1, 'delete a clone': 2,
         'extend': 1, 'attach': 0, 'stats': 1}
#: Round trips that a verb may take over that.
_MORE = 1
#: GiB of the volumes whose copies are compared, a tenth of each written.
_SIZES = (1, 10)


class Counting:
    """An appliance, all calls of which are counted.

    Each is one round trip; that it is, the tests of each appliance show.
    """

    def __init__(self, appliance):
        self._appliance = appliance
        self.calls = 0

    def __getattr__(self, name):
        found = getattr(self._appliance, name)
        if name.startswith('_') or name == 'offers' or not callable(found):
            return found

        def call(*args):
            self.calls += 1
            return found(*args)
        return call


def main():
    parser = argparse.ArgumentParser(prog='python -m benchmarks.appliance',
                                     description=__doc__.split('\n')[0])
    parser.add_argument('--box', default='zfs',
                        choices=['btrfs', 'rest', 'zfs'])
    parser.add_argument('--rounds', type=int, default=7)
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        raise SystemExit('Appliances are made by root: be root.')
    rights.stay()
    # These import Cinder, whose rights are settled now.
    from benchmarks import filesystem
    from benchmarks import natives
    from tests.functional import appliance_places
    from tests import rig as rigs
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(
            prefix='remotefs-bench-'))
        if arguments.box == 'rest':
            folder = filesystem.mount_xfs(folder)
            stack.callback(mounts.unmount, folder)
        rig = rigs.Rig(stack.enter_context(tempfile.TemporaryDirectory()))
        place = appliance_places.PLACES[arguments.box](stack, folder)
        stack.enter_context(place.programs())
        driver = place.driver(rig, 'ours')
        counting = driver._appliance = Counting(driver._appliance)
        bench = ApplianceBench(natives.Bench(rig, driver), counting, place)
        met = [bench.line(name, arguments.rounds) for name in NEEDS]
        met.append(bench.compare_sizes(arguments.rounds))
    sys.exit(0 if all(met) else 1)


class ApplianceBench:
    """:param bench: natives.Bench
    :param counting: its driver's appliance
    """

    def __init__(self, bench, counting, place):
        self._bench = bench
        self._counting = counting
        self._place = place

    def line(self, name, rounds):
        """Print a line of the table; returns whether the goal is met."""
        found = [self._once(*self._prepare(name)) for __ in range(rounds)]
        calls = max(each[0] for each in found)
        met = calls <= NEEDS[name] + _MORE
        print('%-20s needs %d   ours %d round trips %8.1f ms   %s' % (
            name, NEEDS[name], calls,
            statistics.median(each[1] for each in found),
            'ok' if met else 'TOO MANY'), flush=True)
        return met

    def compare_sizes(self, rounds):
        """Print what copies of a small and of a large volume cost.

        :returns: whether that is the same, within what is measured twice
        """
        times = {}
        for size in _SIZES:
            volume = self._bench.rig.volume(self._bench.driver, size)
            with open(self._place.path(volume), 'r+b') as stream:
                for __ in range(size * units.Gi // 10 // units.Mi):
                    stream.write(os.urandom(units.Mi))
            times[size] = [self._once(*self._copy(volume))[1]
                           for __ in range(rounds)]
            self._bench.remove([volume])
        small, large = (statistics.median(times[size]) for size in _SIZES)
        spread = max(times[_SIZES[0]]) - min(times[_SIZES[0]])
        met = large - small <= max(spread, 0.2 * small)
        print('clone of %d GiB %.1f ms, of %d GiB %.1f ms (+- %.1f)   %s' % (
            _SIZES[0], small, _SIZES[1], large, spread,
            'ok' if met else 'NOT THE SAME'), flush=True)
        return met

    def _prepare(self, name):
        if name == 'delete a clone':
            return self._delete_a_clone()
        return self._bench.prepare(name)

    def _delete_a_clone(self):
        rig, driver = self._bench.rig, self._bench.driver
        volume = rig.volume(driver)
        clone = rig.new_volume(driver, source_volid=volume.id)
        clone.update(driver.create_cloned_volume(clone, volume))
        return lambda: driver.delete_volume(clone), [volume]

    def _copy(self, volume):
        rig, driver = self._bench.rig, self._bench.driver
        clone = rig.new_volume(driver, volume.size)
        return (lambda: clone.update(driver.create_cloned_volume(
            clone, volume)), [clone])

    def _once(self, call, things):
        """:returns: (round trips, milliseconds)"""
        self._counting.calls = 0
        begin = time.monotonic()
        call()
        took = 1000 * (time.monotonic() - begin)
        calls = self._counting.calls
        self._bench.remove(things)
        return calls, took


if __name__ == '__main__':
    main()

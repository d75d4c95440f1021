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
import sys
import tempfile

from remotefs_drivers.embedded import rights

#: Operation -> most children that ours may have.
GOALS = {'create': 0, 'snapshot': 1, 'copy of a snapshot': 1, 'clone': 2,
         'delete snapshot': 1, 'delete': 1, 'delete, a parent waits': 2,
         'extend': 0, 'attach': 0, 'stats': 1}


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
    from benchmarks import natives
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
        benches = [natives.Bench(rig, rig.driver(
            path, section, **place.options(
                nas_secure_file_operations='false') if section == 'ours'
            else place.options())) for section, path in (
                ('tree', gpfs_places.IN_TREE), ('ours', gpfs_places.DRIVER))]
        clock = meter.DatabaseClock()
        clock.install(objects.Volume, objects.Snapshot, objects.VolumeList)
        times = {name: natives.measure(benches, name, rounds, clock)
                 for name in GOALS}
        counter = meter.ChildCounter()
        met = [_line(name, times[name],
                     natives.count(benches, name, counter))
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

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

"""The process that measures, started by ``run`` with its settings as JSON."""

import contextlib
import json
import os
import sys

from benchmarks import filesystem
from benchmarks import report


def main():
    settings = json.loads(sys.argv[1])
    _choose_concurrency()
    root = plain_root = settings['root']
    if settings['own_file_system']:
        root, plain_root = _mounted(root)
    with contextlib.ExitStack() as stack:
        if settings['glusterfs']:
            root = plain_root = stack.enter_context(
                filesystem.glusterfs(plain_root))
        _measure(root, plain_root, settings)


def _mounted(folder):
    """Two file systems: one that shares blocks, and one that does not."""
    folders = [os.path.join(folder, name) for name in ('sharing', 'plain')]
    for each in folders:
        os.mkdir(each)
    return [filesystem.mount_xfs(each, shares_blocks)
            for each, shares_blocks in zip(folders, (True, False))]


def _choose_concurrency():
    """As Cinder's own commands do it, before its modules are imported."""
    try:
        from cinder import monkey_patch
    except ImportError:
        # Cinder 27 and 28 know nothing but eventlet.
        import eventlet
        eventlet.monkey_patch()
    else:
        monkey_patch.patch()


def _measure(root, plain_root, settings):
    # These import Cinder, which must see what was chosen above.
    from benchmarks import operations
    from benchmarks import session
    from benchmarks import subjects
    chosen = _choose(operations.every(), settings['operations'])
    ours, points = subjects.Ours, None
    if settings['glusterfs']:
        ours = subjects.OursOnGlusterfs
        points = os.path.join(settings['root'], 'points')
    measuring = session.Session(root, plain_root, settings['state'],
                                settings['rounds'], _say, ours, points)
    lines = measuring.run(chosen)
    conditions = measuring.conditions()
    print(report.tables(lines, conditions))
    if settings['json']:
        with open(settings['json'], 'w') as stream:
            json.dump(report.as_data(lines, conditions), stream, indent=1)


def _choose(every, wanted):
    known = {operation.name: operation for operation in every}
    unknown = sorted(set(wanted or ()) - set(known))
    if unknown:
        raise SystemExit('Unknown: %s. There are %s.'
                         % (', '.join(unknown), ', '.join(known)))
    return [known[name] for name in known if not wanted or name in wanted]


def _say(text):
    print(text, file=sys.stderr, flush=True)


if __name__ == '__main__':
    main()

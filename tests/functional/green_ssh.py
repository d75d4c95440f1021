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


"""An appliance over SSH in a process with an event loop.

``python -m tests.functional.green_ssh KNOWN_HOSTS MODULE:CLASS OPTIONS``:
makes some shares at once, and deletes them. Prints in JSON the names that
were there, and how often the event loop had time for something else.
"""

import importlib
import json
import sys

import eventlet

eventlet.monkey_patch()

from oslo_config import cfg  # noqa: E402
from oslo_utils import units  # noqa: E402
from tests.harness import appliance_boxes  # noqa: E402

_COUNT = 6


def main(known_hosts, name, options):
    cfg.CONF.set_override('ssh_hosts_key_file', known_hosts)
    module, __, found = name.partition(':')
    kind = getattr(importlib.import_module(module), found)
    appliance = kind(appliance_boxes.section(kind, json.loads(options)))
    ticks = []
    ticking = eventlet.spawn(_tick, ticks)
    pool = eventlet.GreenPool()
    names = ['volume-%d' % number for number in range(_COUNT)]
    list(pool.imap(lambda each: appliance.create_share(each, units.Mi),
                   names))
    made = sorted(share.name for share in appliance.list_shares())
    list(pool.imap(appliance.delete_share, names))
    ticking.kill()
    appliance.close()
    print(json.dumps([made, len(ticks)]))


def _tick(ticks):
    while True:
        eventlet.sleep(0.01)
        ticks.append(True)


if __name__ == '__main__':
    main(*sys.argv[1:])

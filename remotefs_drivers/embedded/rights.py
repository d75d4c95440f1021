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

"""Nothing here becomes another user, unless a spec says by what.

Cinder asks for root by ``sudo cinder-rootwrap`` and by privsep daemons. An
embedded cloud has neither: every command and every privileged function runs
in this process or as its child, with the rights of whoever started it. For
root that is everything; for an ordinary user what does need root fails with
the kernel's own error, and no password is asked for in the background.

A spec that names a root helper gets what an operator has: that helper, the
daemons, and the filters of who installed it.
"""

import shlex

from oslo_privsep import priv_context

from cinder import utils

from remotefs_drivers.embedded import config


def stay():
    """Switch off every way to other rights, for this whole process."""
    utils.get_root_helper = lambda: config.SAME_USER
    # On the class, so that it also covers the contexts that drivers and
    # os-brick make later.
    priv_context.PrivContext.client_mode = property(
        lambda context: False, lambda context, value: None)


def become_root_by(root_helper):
    """Let all of this process ask for root as the stock services do.

    :param root_helper: a command that takes another one, as a shell has it
    """
    utils.get_root_helper = lambda: root_helper
    priv_context.init(root_helper=shlex.split(root_helper))

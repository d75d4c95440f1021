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

"""Commands that root runs as another user, and what that one needs."""

import os
import pwd


def command(user, argv):
    """The command that runs another one as a user, without further groups.

    It dies with the process that has started it.

    :param user: id of the user
    """
    # The kernel forgets the parent-death signal when the user changes.
    return ['setpriv', '--reuid', str(user), '--regid', str(group(user)),
            '--clear-groups', '--pdeathsig', 'KILL', '--', *argv]


def group(user):
    """The id of a user's group."""
    return pwd.getpwuid(user).pw_gid


def give(folder, user):
    """Let a folder and all that is in it belong to a user."""
    owner = user, group(user)
    os.chown(folder, *owner)
    for parent, folders, files in os.walk(folder):
        for name in folders + files:
            os.chown(os.path.join(parent, name), *owner,
                     follow_symlinks=False)

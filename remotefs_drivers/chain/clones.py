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

"""The files of a volume on a file system that makes clones by itself.

A **clone parent** is a file that nobody can write to any more, and of which
other files, its children, hold only what is written to them. The file system
makes one of what a file holds just now; the file itself is the first child.
A child can become a parent of others in its turn::

    snapshot-a  <-  snapshot-b  <-  volume-1
                <-  volume-2

============================  ===============================================
``volume-<id>``               the volume, always raw
``snapshot-<id>``             a parent: what a snapshot holds
``volume-<new id>.snap``      a parent, in between a volume and its copy
``snapshot-<id>.ts``          a parent: what a snapshot held that is deleted
``.volume-<id>.new-clone``    what the volume will be, while it is reverted
``.volume-<id>.new-snapshot`` what a snapshot will hold, while it is made of
                              one of the whole fileset
============================  ===============================================

The names are those of the driver in Cinder's tree, which can go on with what
lies there.

A parent cannot be removed as long as it has children: the file system
refuses it, which is all the counting that there is. So a parent that nobody
asks for any more *waits*, under a name that ends with ``.snap`` or ``.ts``,
until its last child goes; who removes that tries to remove the parent, and
then the parent's own. It is right to try that with any that waits, at any
time.
"""

from remotefs_drivers.chain import ids

#: What the names of parents end with that wait for their last child.
IN_BETWEEN, DELETED = '.snap', '.ts'


def in_between(name):
    """The name of the parent between a volume and its copy.

    :param name: of the copy
    """
    return name + IN_BETWEEN


def deleted(name):
    """The name of the parent that a deleted snapshot leaves."""
    return name + DELETED


def is_waiting(name):
    """Whether this is the name of a parent that waits for its last child."""
    return is_bare(name) and name.endswith((IN_BETWEEN, DELETED))


def is_made_here(name):
    """Whether it waits, and surely is no file that a person has put there."""
    return is_waiting(name) and ids.is_in(name)


def is_bare(name):
    """Whether this may be the name of a volume's file or of a parent."""
    return (bool(name) and not name.startswith('.') and
            name.isprintable() and '/' not in name)

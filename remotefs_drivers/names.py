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

"""The names of the files that belong to a volume. Pure.

``volume-<id>`` is the volume itself, and the base of its overlays (see
chain.model); ``volume-<id>.info`` the table of its snapshots, where it has
any; ``volume-<id>.intent`` the journal of what is being done to them. Files
that only exist while a verb runs begin with a dot and end with their
purpose, so that whoever finds one knows whose it was and what for.
"""

from remotefs_drivers import errors

#: A raw copy of a qcow2 volume, while Cinder reads it as plain bytes.
PLAIN_COPY = 'plain-copy'
#: The overlay that will take the place of the active one.
NEW_OVERLAY = 'new-overlay'
#: An empty qcow2 base, until it takes the place of the old one.
NEW_BASE = 'new-base'
#: What a volume will be that is reverted, where the file system makes clones.
NEW_CLONE = 'new-clone'
#: What will be a snapshot, made of one of the whole group's fileset.
NEW_SNAPSHOT = 'new-snapshot'
#: The table or the journal, until it is written and takes its name.
NEW_TEXT = 'new-text'

_PURPOSES = (PLAIN_COPY, NEW_OVERLAY, NEW_BASE, NEW_CLONE, NEW_SNAPSHOT,
             NEW_TEXT)


def of(volume):
    """The name of a volume's file, a single component of a path.

    :raises VolumeNameInvalid: when it would lead anywhere else
    """
    return _checked(volume, volume.name)


def of_snapshot(snapshot):
    """The name of a snapshot's file, where it is one of its own.

    :raises VolumeNameInvalid: when it would lead anywhere else
    """
    return _checked(snapshot.volume, snapshot.name)


def _checked(volume, name):
    if '/' in name or '\0' in name:
        raise _invalid(volume, name, 'it is a path, expected a bare name')
    if not name or name.startswith('.'):
        raise _invalid(volume, name, 'names that are empty or begin with a '
                                     'dot are the driver\'s own')
    return name


def snapshot_table(name):
    """The name of the table of a volume's snapshots."""
    return '%s.info' % name


def journal(name):
    """The name of the file that tells what is being done to a volume."""
    return '%s.intent' % name


def of_journal(name):
    """The name of the volume that a journal, or its beginning, is of.

    :param name: of any file
    :returns: None when it is neither
    """
    for begin, end in (('', journal('')), temporary(' ', NEW_TEXT).split()):
        if name.startswith(begin) and name.endswith(end):
            return name[len(begin):-len(end)]
    return None


def temporary(name, purpose):
    """The name of a volume's file for a purpose, one of those above."""
    return '.%s.%s' % (name, purpose)


def all_temporary(name):
    """All names of temporary files that a volume may have."""
    return tuple(temporary(name, purpose) for purpose in _PURPOSES)


def _invalid(volume, name, reason):
    return errors.VolumeNameInvalid(volume=volume.id, name=name,
                                    reason=reason)

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

"""What a cloud should be: a frozen value, no files and no processes.

A value in ``backends`` and ``options`` is written into the configuration
file like this: ``True``/``False`` as oslo.config spells them, a list joined
with commas (ListOpt), a tuple as one line for each item (MultiStrOpt),
``None`` leaves the option out (to take one of ours away), anything else as
its ``str()``.
"""

import dataclasses
import os
import re
import types
import typing

from remotefs_drivers.embedded import errors

EVENTLET = 'eventlet'
THREADS = 'threads'
CONCURRENCY = (EVENTLET, THREADS)

POSIX_DRIVER = 'remotefs_drivers.posix.PosixDriver'

# oslo.config would substitute '$' and split at ',', SQLAlchemy would decode
# '%' and end the path at '?', and a new line would end the option.
_UNSAFE_IN_ROOT = re.compile(r'[$,%?"\x00-\x1f\x7f]')
_SECTION = re.compile(r'[A-Za-z][A-Za-z0-9_-]*\Z')

Options = typing.Mapping[str, typing.Any]


@dataclasses.dataclass(frozen=True)
class Spec:
    """A cloud in the directory ``root`` (absolute; made when missing).

    :param backends: backend name -> its options, ``volume_driver`` among
        them; ``volume_backend_name`` is the name unless given
    :param folders: absolute paths to make before the start, for drivers
        that want their directories to be there
    :param mounts: folder below which this host has the shares mounted for
        guests, as os-brick does it, when they are no folders of this host
    :param concurrency: 'eventlet', or 'threads' (Cinder 29 and later)
    :param glance: run a Glance beside Cinder
    :param backup: run cinder-backup, with the posix backup driver
    :param options: section -> option -> value for cinder.conf; wins over
        everything that is written by default
    :param host: the host part of the services' names
    :param glance_python: the interpreter that has Glance, when it is not
        the one that runs this
    :param root_helper: the command by which Cinder becomes root, as 'sudo
        cinder-rootwrap /etc/cinder/rootwrap.conf'; without it nothing there
        becomes another user
    :raises SpecInvalid: when it can't work
    """

    root: str
    backends: typing.Mapping[str, Options]
    folders: typing.Sequence[str] = ()
    mounts: typing.Optional[str] = None
    concurrency: str = EVENTLET
    glance: bool = True
    backup: bool = False
    options: typing.Mapping[str, Options] = dataclasses.field(
        default_factory=dict)
    host: str = 'embedded'
    glance_python: typing.Optional[str] = None
    root_helper: typing.Optional[str] = None

    def __post_init__(self):
        _check_root(self.root)
        _check_backends(self.backends)
        _check_concurrency(self.concurrency)
        object.__setattr__(self, 'folders', tuple(self.folders))
        for name in ('backends', 'options'):
            object.__setattr__(self, name, _frozen(getattr(self, name)))

    def path(self, *parts):
        """The absolute path of something below the root."""
        return os.path.join(self.root, *parts)

    def replace(self, **changes):
        """The same cloud with some fields changed."""
        return dataclasses.replace(self, **changes)


def posix_backend(directories, qcow2=False, **options):
    """The options of a backend on ``directories`` (a list of paths).

    It needs no root. Raw volumes are handed out as local files; qcow2 ones
    need an attach type that carries their format.
    """
    return {'volume_driver': POSIX_DRIVER,
            'posix_directories': list(directories),
            'posix_qcow2_volumes': qcow2,
            'posix_attach_type': 'nfs' if qcow2 else 'local',
            **options}


def two_posix_backends(root, **fields):
    """A spec with ``alpha`` (raw volumes) and ``beta`` (qcow2 volumes).

    Each has one share, ``<root>/shares/<backend>``.
    """
    shares = {name: os.path.join(root, 'shares', name)
              for name in ('alpha', 'beta')}
    backends = {name: posix_backend([share], qcow2=(name == 'beta'))
                for name, share in shares.items()}
    return Spec(root=root, backends=backends,
                folders=tuple(shares.values()), **fields)


def _frozen(sections):
    return types.MappingProxyType(
        {name: types.MappingProxyType(dict(options))
         for name, options in sections.items()})


def _check_root(root):
    if not os.path.isabs(root):
        raise errors.SpecInvalid('The directory "%s" of the cloud must be '
                                 'an absolute path.' % root)
    if _UNSAFE_IN_ROOT.search(root) or root != root.strip():
        raise errors.SpecInvalid(
            'The directory %r of the cloud has characters that a '
            'configuration file can\'t carry ($ , %% ? " or control '
            'characters, or white space at an end).' % root)


def _check_backends(backends):
    if not backends:
        raise errors.SpecInvalid('A cloud needs at least one backend.')
    for name, options in backends.items():
        if not _SECTION.match(name) or name.lower() == 'default':
            raise errors.SpecInvalid('"%s" can\'t be the name of a backend: '
                                     'letters, digits, _ and - only.' % name)
        if not options.get('volume_driver'):
            raise errors.SpecInvalid('Backend "%s" has no volume_driver.'
                                     % name)


def _check_concurrency(concurrency):
    if concurrency not in CONCURRENCY:
        raise errors.SpecInvalid('Concurrency is "%s", expected one of %s.'
                                 % (concurrency, ', '.join(CONCURRENCY)))

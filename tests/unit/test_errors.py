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

"""Every exception has its fields, and is the one that Cinder expects."""

import ast
import inspect
import pathlib
import re
import string

from cinder import exception
import pytest

from remotefs_drivers import errors

PACKAGE = pathlib.Path(errors.__file__).parent

#: Ours -> Cinder's, by which the manager, the API or the scheduler know what
#: to do. A row that is missing here is a decision that nobody took.
CINDERS = {
    'ChainNotMended': 'InvalidVolume',
    'NovaFailed': 'RemoteFSException',
    'GuestGone': 'RemoteFSException',
    'GuestNotMerged': 'RemoteFSException',
    'NovaRefused': 'SnapshotIsBusy',
    'NovaTimeout': 'RemoteFSException',
    'GuestUnknown': 'InvalidVolume',
    'NovaUnreachable': 'RemoteFSException',
    'SnapshotUnwanted': 'RemoteFSConcurrentRequest',
    'VolumeShared': 'InvalidVolume',
    'ShareConfigInvalid': 'InvalidConfigurationValue',
    'SharesConfigUnreadable': 'RemoteFSException',
    'NoSharesUsable': 'RemoteFSNoSharesMounted',
    # The scheduler tries another backend.
    'NoSuitableShare': 'RemoteFSNoSuitableShareFound',
    'ShareUnknown': 'RemoteFSException',
    'ShareUnavailable': 'RemoteFSException',
    'MountFailed': 'RemoteFSException',
    'MountFailedBefore': 'RemoteFSException',
    'MountDead': 'RemoteFSException',
    'ShareNotMounted': 'RemoteFSException',
    'ShareTimeout': 'RemoteFSException',
    # What the user can do something about: HTTP 400 where it gets so far.
    'LocationMissing': 'InvalidVolume',
    'VolumeNameInvalid': 'InvalidVolume',
    'VolumeFileExists': 'RemoteFSException',
    'VolumeFileMissing': 'RemoteFSException',
    'VolumeFileInvalid': 'RemoteFSException',
    'InfoInvalid': 'RemoteFSException',
    'LayerInvalid': 'RemoteFSException',
    'JournalInvalid': 'RemoteFSException',
    'JournalStale': 'RemoteFSException',
    'FormatUnknown': 'InvalidVolume',
    'FormatConflict': 'InvalidVolume',
    'MergePending': 'InvalidVolume',
    'VolumeHasSnapshots': 'InvalidVolume',
    'VolumeBusy': 'InvalidVolume',
    'VolumeAttached': 'InvalidVolume',
    'SnapshotUnknown': 'InvalidSnapshot',
    'SnapshotExists': 'InvalidSnapshot',
    'SnapshotNotNewest': 'InvalidSnapshot',
    'SnapshotBusy': 'InvalidSnapshot',
    # As of the driver in Cinder's tree.
    'GpfsNotReady': 'VolumeBackendAPIException',
    'GroupUnsupported': 'VolumeBackendAPIException',
    'MetadataInvalid': 'InvalidVolumeMetadata',
    'RawOnly': 'InvalidVolume',
    'NothingToFailOver': 'UnableToFailOver',
    'EncryptionUnsupported': 'VolumeDriverException',
    'AttachTypeMismatch': 'InvalidVolume',
    # The manager sets error_extending and gives the quota back.
    'ShrinkRefused': 'ExtendVolumeError',
    'ExtendFailed': 'ExtendVolumeError',
    'SourceBusy': 'InvalidVolume',
    # The flow sets error_managing, and the file stays what it was.
    'ReferenceInvalid': 'ManageExistingInvalidReference',
    'ReferenceManaged': 'ManageExistingAlreadyManaged',
    'ReferenceElsewhere': 'ManageExistingVolumeTypeMismatch',
    'SnapshotReferenceInvalid': 'ManageExistingInvalidReference',
    # The create flow tells the user, by a message of its own.
    'ImageRefused': 'ImageUnacceptable',
    'UploadFailed': 'RemoteFSException',
    'CommandFailed': 'RemoteFSException',
    'CommandTimeout': 'RemoteFSException',
    'CommandAborted': 'RemoteFSException',
    # Something of the user's, metadata perhaps: HTTP 400.
    'GpfsRequestInvalid': 'InvalidInput',
    'GpfsCommandFailed': 'RemoteFSException',
    'GpfsCommandTimeout': 'RemoteFSException',
    'GpfsCommandMissing': 'RemoteFSException',
    'GpfsOutputInvalid': 'RemoteFSException',
    # Of an appliance: something for the operator.
    'ApplianceError': 'VolumeBackendAPIException',
    'ApplianceUnavailable': 'VolumeBackendAPIException',
    'ApplianceUnreached': 'VolumeBackendAPIException',
    'ApplianceDenied': 'VolumeBackendAPIException',
    'ApplianceHostKeyChanged': 'VolumeBackendAPIException',
    'ApplianceNotReady': 'VolumeBackendAPIException',
    'ApplianceFull': 'VolumeBackendAPIException',
    'VolumeShareRenamed': 'VolumeBackendAPIException',
    'ApplianceGroupUnsupported': 'VolumeBackendAPIException',
    'ApplianceUnsupported': 'VolumeBackendAPIException',
    'ApplianceShareExists': 'VolumeBackendAPIException',
    'ApplianceShareMissing': 'VolumeBackendAPIException',
    'ApplianceShareInUse': 'VolumeBackendAPIException',
    'ApplianceSnapshotExists': 'VolumeBackendAPIException',
    'ApplianceSnapshotMissing': 'VolumeBackendAPIException',
    'ApplianceSnapshotInUse': 'VolumeBackendAPIException',
    'ApplianceRollbackRefused': 'VolumeBackendAPIException',
    # Busy for now: the manager sets it available again.
    'SnapshotsInTheWay': 'VolumeIsBusy',
    'ClonesInTheWay': 'VolumeIsBusy',
    'SnapshotKept': 'SnapshotIsBusy',
    'ServiceStopping': 'RemoteFSException',
    'PrivilegeMissing': 'RemoteFSException',
}


def _classes():
    return {name: found for name, found in vars(errors).items()
            if inspect.isclass(found)}


def _fields(cls):
    """The names in the message template of an exception."""
    return set(re.findall(r'%\((\w+)\)', str(cls.message)))


@pytest.fixture(params=sorted(_classes()))
def cls(request):
    return getattr(errors, request.param)


def test_it_is_the_one_that_cinder_expects(cls):
    expected = getattr(exception, CINDERS[cls.__name__])
    assert issubclass(cls, expected)


def test_it_says_all_of_its_fields(cls):
    values = {name: '<%s>' % name for name in _fields(cls)}
    text = str(cls(**values))
    assert all(value in text for value in values.values())
    assert '%(' not in text


def test_it_is_a_sentence(cls):
    text = str(cls(**{name: 'x' for name in _fields(cls)}))
    assert text[0] in string.ascii_uppercase + 'x'
    assert text == text.strip()
    assert '  ' not in text


def test_it_says_something_of_its_own(cls):
    assert 'message' in vars(cls)


def _raised():
    """(where, exception's name, keywords, whether there are more)."""
    for path in sorted(PACKAGE.rglob('*.py')):
        for node in ast.walk(ast.parse(path.read_text())):
            if (isinstance(node, ast.Call) and
                    isinstance(node.func, ast.Attribute) and
                    isinstance(node.func.value, ast.Name) and
                    node.func.value.id == 'errors' and
                    hasattr(errors, node.func.attr)):
                yield ('%s:%d' % (path.relative_to(PACKAGE), node.lineno),
                       node.func.attr, {word.arg for word in node.keywords},
                       bool(node.args))


@pytest.mark.parametrize('where, name, given, positional', list(_raised()))
def test_who_raises_it_gives_exactly_its_fields(where, name, given,
                                                positional):
    """A field too few is a message with a hole, found when it matters."""
    assert not positional
    assert given == _fields(getattr(errors, name))


def test_each_of_them_is_raised():
    assert {name for __, name, __, __ in _raised()} == set(_classes())

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

"""Every exception that the library raises.

Each is a message template with fields, and at the same time the Cinder
exception that the callers of a driver expect, so that Cinder's own handling
(user messages, HTTP codes, rescheduling) applies. A message names the
volume or the share, the file, what was expected and what the operator can
do.
"""

from cinder import exception
from cinder.i18n import _


class ShareConfigInvalid(exception.InvalidConfigurationValue):
    message = _('Option %(option)s: %(reason)s')


class SharesConfigUnreadable(exception.RemoteFSException):
    message = _('The shares file %(path)s (option %(option)s) cannot be '
                'read: %(reason)s. Create it with a line "address:/export" '
                'for each share, readable for the user of cinder-volume.')


class NoSharesUsable(exception.RemoteFSNoSharesMounted):
    message = _('None of the shares of %(backend)s can be used: %(reasons)s')


class NoSuitableShare(exception.RemoteFSNoSuitableShareFound):
    message = _('No share can take a volume of %(volume_size)s GiB: '
                '%(reasons)s')


class ShareUnknown(exception.RemoteFSException):
    message = _('Volume %(volume)s says that it is on the share '
                '"%(share)s", which is none of this backend: it is neither '
                'in %(source)s nor mounted by this service. Add the share '
                'there, or correct provider_location of the volume.')


class ShareUnavailable(exception.RemoteFSException):
    message = _('Share %(share)s cannot be used: %(reason)s')


class MountFailed(ShareUnavailable):
    message = _('Share %(share)s cannot be mounted at %(mount_point)s: '
                '%(reason)s')


class MountFailedBefore(MountFailed):
    message = _('%(before)s. That was a short while ago: the next attempt '
                'is made in %(seconds)s seconds, and until then each request '
                'for the share fails at once.')


class ShareNotMounted(ShareUnavailable):
    message = _('Share %(share)s is not what is found at %(path)s: '
                '%(reason)s')


class MountDead(ShareUnavailable):
    message = _('Share %(share)s is mounted, and the mount is dead: '
                '%(reason)s')


class ShareTimeout(ShareUnavailable):
    message = _('Share %(share)s did not answer within %(seconds)s seconds '
                '(%(what)s). Check the server and the network; the limit is '
                'the option %(option)s.')


class LocationMissing(exception.InvalidVolume):
    message = _('Volume %(volume)s has no provider_location, so nobody knows '
                'its share. Was its creation cut off? Delete it, or set '
                'provider_location to the share that holds its file.')


class VolumeNameInvalid(exception.InvalidVolume):
    message = _('The file name "%(name)s" of volume %(volume)s cannot be '
                'used: %(reason)s. See the option volume_name_template.')


class VolumeFileExists(exception.RemoteFSException):
    message = _('There is already something at %(path)s where volume '
                '%(volume)s should be made. It was left as it is; look at '
                'it and move it away before you delete the volume, which '
                'would take it along.')


class VolumeFileMissing(exception.RemoteFSException):
    message = _('The file %(path)s of volume %(volume)s is missing on share '
                '%(share)s.')


class VolumeFileInvalid(exception.RemoteFSException):
    message = _('%(path)s of volume %(volume)s cannot be used: %(reason)s')


class InfoInvalid(exception.RemoteFSException):
    message = _('The table of snapshots %(path)s cannot be used, and nothing '
                'was changed: %(reason)s. Restore it from a backup, or write '
                'it anew by what the overlays beside it name as their '
                'backing files.')


class LayerInvalid(exception.RemoteFSException):
    message = _('%(path)s cannot be used, and nothing was changed: '
                '%(reason)s')


class ChainNotMended(exception.InvalidVolume):
    message = _('The overlays of volume %(volume)s, made by an old driver or '
                'by Nova, do not all name the file below and its format as '
                'they should: first is %(name)s. They cannot be read safely '
                'before that is mended, which is done by the next request '
                'once the volume is detached.')


class JournalInvalid(exception.RemoteFSException):
    message = _('The journal %(path)s tells what was cut off by a crash, and '
                'cannot be used: %(reason)s. Nothing was changed. Look at '
                'the files of the volume, and remove the journal when they '
                'are whole.')


class JournalStale(exception.RemoteFSException):
    message = _('The journal %(path)s says that "%(verb)s" was cut off by a '
                'crash, but %(table)s is neither as before nor as after it: '
                'somebody else has changed it. Nothing was done. Look at '
                'the files of the volume, and remove the journal when they '
                'are whole.')


class MergePending(exception.InvalidVolume):
    message = _('The deletion of snapshot %(snapshot)s of volume %(volume)s '
                'was cut off and is not finished (see %(path)s). While the '
                'volume is attached, that has to be asked for: delete the '
                'snapshot again, or detach the volume. The volume itself is '
                'whole.')


class NovaRefused(exception.SnapshotIsBusy):
    # A snapshot whose deletion ends so is available again.
    message = _('Snapshot %(snapshot)s of the attached volume %(volume)s: '
                'Nova refuses its part, and nothing was changed: %(reason)s')


class NovaFailed(exception.RemoteFSException):
    message = _('Snapshot %(snapshot)s of the attached volume %(volume)s: '
                'Nova says that its part failed (the snapshot is '
                '"%(status)s"). See the log of nova-compute.')


class GuestGone(exception.RemoteFSException):
    message = _('Snapshot %(snapshot)s of the attached volume %(volume)s: '
                'the guest no longer has its files open, and Nova\'s part '
                'was not done. Try again when the instance runs, or once '
                'the volume is detached.')


class NovaTimeout(exception.RemoteFSException):
    message = _('Snapshot %(snapshot)s of the attached volume %(volume)s: '
                'Nova\'s part was not done within %(seconds)s seconds. See '
                'the log of nova-compute; the limits are the options '
                '<driver>_assisted_create_timeout and '
                '<driver>_assisted_delete_timeout.')


class NovaUnreachable(exception.RemoteFSException):
    message = _('Snapshot %(snapshot)s of the attached volume %(volume)s: '
                'Nova could not be asked for its part, or its answer was '
                'lost: %(reason)s. Check the section [nova] of cinder.conf '
                'and the API of Nova.')


class GuestNotMerged(exception.RemoteFSException):
    message = _('Snapshot %(snapshot)s of the attached volume %(volume)s: '
                'Nova says that it was merged, and the headers of the files '
                'say that it was not. Nothing was removed. Delete it again, '
                'or once the volume is detached.')


class SnapshotUnwanted(exception.RemoteFSConcurrentRequest):
    message = _('Snapshot %(snapshot)s of volume %(volume)s is '
                '"%(status)s" while it was still being made. Delete it '
                'again.')


class VolumeShared(exception.InvalidVolume):
    message = _('Volume %(volume)s can be attached to several servers, which '
                'only a raw file without snapshots can: %(reason)s')


class GuestUnknown(exception.InvalidVolume):
    message = _('Volume %(volume)s is "%(status)s", but has no attachment '
                'that would tell by whom. Reset its state when nobody uses '
                'it.')


class VolumeHasSnapshots(exception.InvalidVolume):
    message = _('Volume %(volume)s has snapshots, which would be lost if an '
                'image were written over it. Delete them first, or make a '
                'new volume of the image.')


class FormatUnknown(exception.InvalidVolume):
    message = _('The file format of volume %(volume)s is not recorded (found '
                'was %(value)s, expected raw or qcow2), and a file is never '
                'asked for it. Say what volumes without a record are by the '
                'option <driver>_legacy_base_format, or record the format, '
                'raw or qcow2, as "format" in the volume\'s admin metadata.')


class FormatConflict(exception.InvalidVolume):
    message = _('The file %(name)s of volume %(volume)s is %(said)s by what '
                '%(overlay)s says of it, and %(recorded)s by the '
                '"base_format" in the volume\'s admin metadata. Nothing was '
                'changed. Correct the one that is wrong.')


class VolumeBusy(exception.InvalidVolume):
    message = _('Volume %(volume)s is "%(status)s", expected one of '
                '%(expected)s.')


class VolumeAttached(exception.InvalidVolume):
    message = _('Volume %(volume)s is attached, and must be detached for '
                'this.')


class SnapshotUnknown(exception.InvalidSnapshot):
    message = _('Volume %(volume)s has no record of snapshot %(snapshot)s. '
                'Was its creation or its deletion cut off? Delete it.')


class SnapshotExists(exception.InvalidSnapshot):
    message = _('Volume %(volume)s has a record of snapshot %(snapshot)s '
                'already. Delete the snapshot.')


class SnapshotNotNewest(exception.InvalidSnapshot):
    message = _('Volume %(volume)s cannot be reverted to snapshot '
                '%(snapshot)s: later ones would be lost. Delete them first, '
                'or make a volume from the snapshot.')


class SnapshotBusy(exception.InvalidSnapshot):
    message = _('Snapshot %(snapshot)s is "%(status)s", expected one of '
                '%(expected)s.')


class GpfsNotReady(exception.VolumeBackendAPIException):
    message = _('Backend %(backend)s cannot work on GPFS: %(reason)s')


class RawOnly(exception.InvalidVolume):
    message = _('Volume %(volume)s would be kept as %(format)s; volumes on '
                'this backend are raw files: convert it to raw first.')


class MetadataInvalid(exception.InvalidVolumeMetadata):
    message = _('Volume %(volume)s has the metadata %(key)s = "%(value)s": '
                'expected %(expected)s.')


class GroupUnsupported(exception.VolumeBackendAPIException):
    message = _('Group %(group)s has a fileset of its own, and %(what)s is '
                'not supported there: %(reason)s')


class NothingToFailOver(exception.UnableToFailOver):
    message = _('Backend %(backend)s replicates nothing by itself, so there '
                'is nothing to fail over to.')


class EncryptionUnsupported(exception.VolumeDriverException):
    message = _('Volume %(volume)s has an encrypted volume type, which this '
                'driver does not support: use a type without encryption, '
                'or another backend.')


class AttachTypeMismatch(exception.InvalidVolume):
    message = _('Volume %(volume)s is, or with a snapshot would be, kept as '
                '%(format)s, which the attach type "%(attach_type)s" cannot '
                'carry: compute hosts would take it for raw. Set '
                '%(option)s = nfs.')


class ShrinkRefused(exception.ExtendVolumeError):
    message = _('Volume %(volume)s has %(size)s GiB and cannot be extended '
                'to %(new_size)s GiB: a volume only grows.')


class ExtendFailed(exception.ExtendVolumeError):
    message = _('Volume %(volume)s could not be extended to %(new_size)s '
                'GiB and is as it was: %(reason)s')


class SourceBusy(exception.InvalidVolume):
    message = _('Volume %(volume)s is "%(status)s" and cannot be copied: '
                'expected one of %(expected)s.')


class ReferenceInvalid(exception.ManageExistingInvalidReference):
    message = _('Volume %(volume)s cannot be managed from %(existing_ref)s: '
                '%(reason)s')


class ReferenceManaged(exception.ManageExistingAlreadyManaged):
    message = _('%(existing_ref)s cannot be managed: it belongs to '
                '%(volume_ref)s, which Cinder manages already.')


class ReferenceElsewhere(exception.ManageExistingVolumeTypeMismatch):
    message = _('Volume %(volume)s cannot be managed from "%(name)s": that '
                'is on %(share)s, and the volume is to be on the pool '
                '%(pool)s. Manage it with the host '
                '%(host)s#<its share>.')


class SnapshotReferenceInvalid(exception.ManageExistingInvalidReference):
    message = _('Snapshot %(snapshot)s of volume %(volume)s cannot be '
                'managed from %(existing_ref)s: %(reason)s')


class ImageRefused(exception.ImageUnacceptable):
    message = _('Image %(image_id)s is refused: %(reason)s')


class UploadFailed(exception.RemoteFSException):
    message = _('%(path)s of volume %(volume)s could not be copied into '
                'image %(image_id)s: %(reason)s')


class CommandFailed(exception.RemoteFSException):
    message = _('%(program)s failed with exit code %(exit_code)s: '
                '%(stderr)s (command: %(command)s)')


class CommandTimeout(exception.RemoteFSException):
    message = _('%(program)s was killed: %(reason)s after %(seconds)s '
                'seconds (command: %(command)s)')


class CommandAborted(exception.RemoteFSException):
    message = _('%(program)s was stopped on request (command: %(command)s)')


class GpfsRequestInvalid(exception.InvalidInput):
    message = _('GPFS is not asked for that: %(what)s is %(value)s, expected '
                '%(expected)s.')


class GpfsCommandFailed(CommandFailed):
    message = _('GPFS: could not %(what)s. "%(command)s" failed with exit '
                'code %(exit_code)s: %(stderr)s. %(remedy)s')


class GpfsCommandTimeout(CommandTimeout):
    message = _('GPFS: could not %(what)s: %(reason)s. Look at "mmgetstate '
                '-a" and at what GPFS waits for with "mmdiag --waiters"; try '
                'again when it answers.')


class GpfsCommandMissing(CommandFailed):
    message = _('GPFS: could not %(what)s: %(reason)s. Install IBM Storage '
                'Scale on this host, so that its commands are in %(folder)s '
                'or in the PATH.')


class GpfsOutputInvalid(CommandFailed):
    message = _('GPFS: could not %(what)s: what "%(command)s" printed cannot '
                'be read, %(reason)s: %(output)s')


class ApplianceError(exception.VolumeBackendAPIException):
    """Of an appliance: fields are its name, what was to be done, and why not.
    """

    message = _('Appliance %(appliance)s could not %(what)s: %(reason)s')


class ApplianceUnavailable(ApplianceError):
    message = _('Appliance %(appliance)s gave no answer when asked to '
                '%(what)s, and may have done it or not: %(reason)s. Check '
                'it, and the network to it.')


class ApplianceUnreached(ApplianceUnavailable):
    """The same, when it is known that it has not been asked at all."""

    message = _('Appliance %(appliance)s could not be asked to %(what)s, so '
                'nothing was begun: %(reason)s. Check it, and the network to '
                'it.')


class ApplianceDenied(ApplianceError):
    message = _('Appliance %(appliance)s lets nobody in to %(what)s: '
                '%(reason)s. Check the user, the key or password or token, '
                'and what it may do.')


class ApplianceHostKeyChanged(ApplianceError):
    message = _('Appliance %(appliance)s is not asked to %(what)s, since it '
                'is not known to be the right one: %(reason)s. Check who '
                'answers there, then correct the file of host keys '
                '(ssh_hosts_key_file).')


class ApplianceNotReady(ApplianceError):
    message = _('Appliance %(appliance)s is not ready: %(reason)s. '
                '%(remedy)s')


class ApplianceFull(ApplianceError):
    message = _('Appliance %(appliance)s has no room to %(what)s: '
                '%(reason)s')


class ApplianceUnsupported(ApplianceError):
    message = _('Appliance %(appliance)s has no way to %(what)s.')


class ApplianceShareExists(ApplianceError):
    message = _('Appliance %(appliance)s could not %(what)s: there is a '
                'share %(share)s already. It was left as it is; look at it '
                'and move it away before you delete the volume, which would '
                'take it along.')


class ApplianceShareMissing(ApplianceError):
    message = _('Appliance %(appliance)s could not %(what)s: it has no '
                'share %(share)s.')


class ApplianceShareInUse(ApplianceError):
    message = _('Appliance %(appliance)s could not %(what)s: share '
                '%(share)s has snapshots that were not to go with it, or '
                'clones hang on it: %(reason)s')


class ApplianceSnapshotExists(ApplianceError):
    message = _('Appliance %(appliance)s could not %(what)s: share '
                '%(share)s has a snapshot %(snapshot)s already. It was left '
                'as it is.')


class ApplianceSnapshotMissing(ApplianceError):
    message = _('Appliance %(appliance)s could not %(what)s: share '
                '%(share)s has no snapshot %(snapshot)s.')


class ApplianceSnapshotInUse(ApplianceError):
    message = _('Appliance %(appliance)s could not %(what)s: clones hang on '
                'snapshot %(snapshot)s of share %(share)s: %(reason)s')


class ApplianceRollbackRefused(ApplianceError):
    message = _('Appliance %(appliance)s could not %(what)s: share '
                '%(share)s has newer snapshots than %(snapshot)s: '
                '%(reason)s')


class ApplianceGroupUnsupported(exception.VolumeBackendAPIException):
    message = _('Group %(group)s is not made: appliance %(appliance)s makes '
                'no snapshots of several shares at one moment. Take a group '
                'type without consistent_group_snapshot_enabled.')


class SnapshotsInTheWay(exception.VolumeIsBusy):
    message = _('Volume %(volume)s is not deleted: its share %(share)s on '
                'appliance %(appliance)s has snapshots that this driver did '
                'not make, or that a user still has: %(snapshots)s. Delete '
                'them first, if nobody needs them.')


class VolumeShareRenamed(exception.VolumeBackendAPIException):
    message = _('Volume %(volume)s is not deleted: the share at its '
                'provider_location is called %(found)s on appliance '
                '%(appliance)s, expected %(share)s. Was the option '
                'volume_name_template changed? Set it back, or rename the '
                'share.')


class SnapshotKept(exception.SnapshotIsBusy):
    message = _('Snapshot %(snapshot)s of volume %(volume)s is not deleted: '
                'volumes that were made of it hang on it, and the appliance '
                'cannot let it wait for their end: %(reason)s. Delete '
                'these first.')


class ClonesInTheWay(exception.VolumeIsBusy):
    message = _('Volume %(volume)s is not deleted: volumes that were copied '
                'from it hang on it, and the appliance cannot let them go '
                'without it: %(reason)s. Delete these first.')


class PrivilegeMissing(exception.RemoteFSException):
    message = _('%(what)s needs root, which cinder-volume could not get: '
                '%(reason)s. Install the filter line of '
                'etc/rootwrap.d/remotefs.filters, or, unless it is an mm* '
                'command of GPFS, set nas_secure_file_operations = true and '
                'give the share to the service\'s user.')


class ServiceStopping(exception.RemoteFSException):
    message = _('The service stops, and %(what)s was still being waited '
                'for. Nothing was changed; try again when it is back.')

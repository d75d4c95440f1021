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

"""From what lies on a share to a Chain, or a refusal. Pure.

Says which volume it is about where ``survey`` only knows files.
"""

from remotefs_drivers.chain import info as chain_info
from remotefs_drivers.chain import model
from remotefs_drivers import errors
from remotefs_drivers.qemu import header
from remotefs_drivers.qemu import image


def chain_of(volume_id, base, found, recorded, path):
    """The chain of a volume.

    :param found: what survey.look returned
    :param recorded: model.Recorded
    :param path: of the table, for messages
    :raises FormatUnknown: when nobody says what the lowest layer is
    :raises FormatConflict: when two say different things
    """
    table, __, files = found
    layers = tuple(_layer(volume_id, *file) for file in reversed(files))
    _check_conflict(volume_id, base, layers, recorded)
    info = None
    if table is not None:
        info = chain_info.loads(table, base, path)
    return model.Chain(volume_id, base, layers, info)


def _layer(volume_id, name, file_format, size, head):
    if file_format not in image.FORMATS:
        raise errors.FormatUnknown(volume=volume_id, value=file_format)
    if head is None:
        return model.Layer(name, file_format, size)
    head = header.Header(*head)
    return model.Layer(name, file_format, head.virtual_size,
                       head.backing_file, head.backing_format)


def _check_conflict(volume_id, base, layers, recorded):
    """Two sources, one truth: else whoever is asked first decides."""
    lowest = layers[0]
    if lowest.name != base or recorded.base is None:
        return
    if lowest.format != recorded.base:
        raise errors.FormatConflict(
            volume=volume_id, name=lowest.name, overlay=layers[1].name,
            said=lowest.format, recorded=recorded.base)

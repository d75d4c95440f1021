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

"""What a host is told that attaches a volume: the attach types. Pure.

Each function returns driver_volume_type and data, as Cinder wants it of
initialize_connection. What stock Nova and os-brick make of a type is in
their connectors: of those here, Nova knows nfs, local and gpfs, os-brick
knows all.
"""

#: What hosts take for raw, whatever it is.
RAW_ONLY = frozenset(['local', 'gpfs'])


def device(attach_type, path, file_format):
    """A file by a path that is the same on all hosts; of RAW_ONLY."""
    return {'driver_volume_type': attach_type,
            'data': {'device_path': path, 'format': file_format}}


def share(attach_type, export, name, file_format, options=None):
    """A file in a share that the host mounts.

    :param attach_type: 'nfs' or 'glusterfs'
    :param export: as it is mounted
    :param name: of the file in it
    :param options: for mount, with the -o, or None
    """
    data = {'export': export, 'name': name, 'format': file_format}
    if options:
        data['options'] = options
    return {'driver_volume_type': attach_type, 'data': data}

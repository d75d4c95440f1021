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

"""Mount options for all shares, and those of one."""

import pytest

from remotefs_drivers.share import mount_options


@pytest.mark.parametrize('general, own, options, flags', [
    (None, None, None, []),
    ('', '', None, []),
    ('vers=4.2,hard', None, 'vers=4.2,hard', []),
    (None, '-o ro', 'ro', []),
    ('hard', '-o noatime', 'hard,noatime', []),
    # The same key.
    ('vers=4.2,hard', '-o vers=3', 'hard,vers=3', []),
    ('timeo=600,retrans=2', '-o timeo=100', 'retrans=2,timeo=100', []),
    ('proto=tcp', '-o proto=rdma', 'proto=rdma', []),
    ('sec=sys', '-o sec=krb5', 'sec=krb5', []),
    # Another name of it, in both directions.
    ('vers=4.2', '-o nfsvers=3', 'nfsvers=3', []),
    ('nfsvers=4.2', '-o vers=3', 'vers=3', []),
    ('v4.2', '-o vers=3', 'vers=3', []),
    ('vers=3', '-o v4', 'v4', []),
    ('proto=tcp', '-o rdma', 'rdma', []),
    ('udp', '-o proto=tcp', 'proto=tcp', []),
    # The opposite of it.
    ('soft,timeo=600', '-o hard', 'timeo=600,hard', []),
    ('hard', '-o softerr', 'softerr', []),
    ('ro', '-o rw', 'rw', []),
    ('nolock', '-o lock', 'lock', []),
    ('ac', '-o noac', 'noac', []),
    # A minor version belongs to the version; the other way round it does
    # not.
    ('vers=4,minorversion=1', '-o vers=3', 'vers=3', []),
    ('vers=4,minorversion=1', '-o minorversion=2', 'vers=4,minorversion=2',
     []),
    # Names that only begin alike.
    ('timeo=600', '-o timeo2=1', 'timeo=600,timeo2=1', []),
    ('mountproto=udp,mountvers=3', '-o proto=tcp,vers=3',
     'mountproto=udp,mountvers=3,proto=tcp,vers=3', []),
    ('port=2049', '-o mountport=635', 'port=2049,mountport=635', []),
    # What is no option stays what it is.
    ('hard', '-v', 'hard', ['-v']),
    ('hard', '-o ro -v -r', 'hard,ro', ['-v', '-r']),
    # All the ways to write it.
    (None, '-oro', 'ro', []),
    (None, '--options ro', 'ro', []),
    (None, '--options=ro,vers=3', 'ro,vers=3', []),
    ('vers=3', '-o ro -o vers=4', 'ro,vers=4', []),
    ('hard', '-o', 'hard', []),
    # Blanks and empty ones, as they happen in a configuration file.
    ('vers=4.2, hard,,', '-o ,ro', 'vers=4.2,hard,ro', []),
    (' vers = 4', '-o vers=3', 'vers=3', []),
    # Twice in the same place: for mount to say.
    (None, '-o vers=3,vers=4', 'vers=3,vers=4', []),
    ('timeo=1,timeo=2', '-o ro', 'timeo=1,timeo=2,ro', []),
    # A comma in quotes.
    ('context="u:r:t:s0,c1",hard', '-o soft', 'context="u:r:t:s0,c1",soft',
     []),
    ('context="u:r:t:s0,c1"', '-o context="u:r:t:s0,c2,c3"',
     'context="u:r:t:s0,c2,c3"', []),
    ('a="b,c', '-o ro', 'a="b,c,ro', []),
])
def test_merge(general, own, options, flags):
    assert mount_options.merge(general, own) == (options, flags)

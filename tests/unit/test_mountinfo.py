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

"""Finding a mount in mountinfo. The lines are of real systems."""

import pytest

from remotefs_drivers.share import mountinfo

ROOT = '22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n'
NFS = ('40 22 0:45 / /mnt/c7 rw,relatime shared:27 - nfs4 '
       '10.0.0.1:/srv rw,vers=4.2,addr=10.0.0.1\n')


@pytest.fixture
def find():
    def _find(text, mount_point):
        return mountinfo.find_in(
            text if isinstance(text, bytes) else text.encode(), mount_point)
    return _find


@pytest.mark.parametrize('line, point, source, fstype', [
    (NFS, '/mnt/c7', '10.0.0.1:/srv', 'nfs4'),
    (ROOT, '/', '/dev/sda1', 'ext4'),
    # No optional field at all.
    ('40 22 0:45 / /a rw - nfs h:/x rw\n', '/a', 'h:/x', 'nfs'),
    # Several of them.
    ('40 22 0:45 / /a rw shared:1 master:2 propagate_from:3 - nfs h:/x rw\n',
     '/a', 'h:/x', 'nfs'),
    # Blank, tab, line feed and backslash are octal.
    ('40 22 0:45 / /a\\040b rw - nfs h:/x\\040y rw\n', '/a b', 'h:/x y',
     'nfs'),
    ('40 22 0:45 / /a\\011b rw - nfs h:/x\\011 rw\n', '/a\tb', 'h:/x\t',
     'nfs'),
    ('40 22 0:45 / /a\\012b rw - nfs h:/x\\134 rw\n', '/a\nb', 'h:/x\\',
     'nfs'),
    # Newer kernels write # in a source as octal too.
    ('40 22 0:45 / /a rw - nfs h:/x\\0431 rw\n', '/a', 'h:/x#1', 'nfs'),
    # A name that looks like an escape.
    ('40 22 0:45 / /a\\134040 rw - nfs h:/x rw\n', '/a\\040', 'h:/x', 'nfs'),
    # Some file systems have an empty source.
    ('40 22 0:45 / /a rw - tmpfs  rw\n', '/a', '', 'tmpfs'),
    # Other control characters are not escaped, and end no line.
    ('40 22 0:45 / /a\rb rw - nfs h:/x rw\n', '/a\rb', 'h:/x', 'nfs'),
])
def test_found(find, line, point, source, fstype):
    found = find(ROOT + line, point)
    assert (found.source, found.fstype) == (source, fstype)


def test_names_that_are_not_utf8(find):
    line = b'40 22 0:45 / /a\xff rw - nfs h:/\xfe rw\n'
    assert find(line, '/a\udcff').source == 'h:/\udcfe'


@pytest.mark.parametrize('point', [
    '/mnt',
    '/mnt/c',
    '/mnt/c7/d',
    '/mnt/c7/',
    # The root of the mount within its file system, not a mount point.
    '/sub',
    # Stands in the line, but as its source.
    '10.0.0.1:/srv',
])
def test_not_found(find, point):
    assert find(NFS + '41 22 0:46 /sub /b rw - ext4 /dev/sdb rw\n',
                point) is None


def test_of_several_on_top_of_each_other_the_last_counts(find):
    upper = NFS.replace('10.0.0.1:/srv', '10.0.0.2:/new')
    assert find(NFS + upper, '/mnt/c7').source == '10.0.0.2:/new'


def test_later_lines_that_only_name_it(find):
    """A bind mount of a path there; a source that is called like it."""
    bound = '41 22 0:45 /mnt/c7 /b rw - nfs4 10.0.0.1:/srv rw\n'
    named = '42 22 0:46 / /c rw - fuse /mnt/c7 rw\n'
    assert find(NFS + bound + named, '/mnt/c7').source == '10.0.0.1:/srv'


@pytest.mark.parametrize('mount, super_block, read_only', [
    ('rw', 'rw', False),
    ('ro,nosuid', 'rw', True),
    ('rw', 'ro,vers=3', True),
    # Only a whole word counts.
    ('rw,norobust', 'rw,errors=remount-ro', False),
])
def test_read_only(find, mount, super_block, read_only):
    line = '40 22 0:45 / /a %s - nfs h:/x %s\n' % (mount, super_block)
    assert find(line, '/a').read_only is read_only


def test_an_empty_table(find):
    assert find('', '/a') is None


def test_this_system_has_a_root():
    assert mountinfo.find('/') is not None
    assert mountinfo.find('/no/such/mount/point') is None


@pytest.mark.parametrize('path, expected', [
    ('/mnt/c7', ('/mnt/c7', 'nfs4')),
    ('/mnt/c7/a/b', ('/mnt/c7', 'nfs4')),
    # A name that only begins like the mount point's.
    ('/mnt/c77', ('/', 'ext4')),
    ('/mnt', ('/', 'ext4')),
    ('/', ('/', 'ext4')),
])
def test_holding(find, path, expected, monkeypatch):
    class Watch:
        def lookup(self):
            return lambda point: find(ROOT + NFS, point)
    monkeypatch.setattr(mountinfo, '_watch', Watch())
    point, mount = mountinfo.holding(path)
    assert (point, mount.fstype) == expected


def test_holding_nothing(find, monkeypatch):
    """In a container, / may not be in the table."""
    class Watch:
        def lookup(self):
            return lambda point: find(NFS, point)
    monkeypatch.setattr(mountinfo, '_watch', Watch())
    assert mountinfo.holding('/srv/a') is None


class TestBelow:
    BASE = '/var/lib/cinder/mnt'
    TEXT = (ROOT +
            '40 22 0:45 / /var/lib/cinder/mnt/1 rw - nfs4 nas:/a rw\n'
            '41 22 0:46 / /var/lib/cinder/mnt/2\\040x rw - nfs nas:/b ro\n'
            '42 22 0:47 / /var/lib/cinder/mnt/3/deep rw - nfs nas:/c rw\n'
            '43 22 0:48 / /var/lib/cinder/mnt2/4 rw - nfs nas:/d rw\n'
            '44 22 0:49 / /var/lib/cinder/mnt rw - ext4 /dev/sdb rw\n')

    def test_what_is_below(self):
        found = mountinfo.below_in(self.TEXT.encode(), self.BASE)
        assert {point[len(self.BASE):]: mount.source
                for point, mount in found.items()} == {
            '/1': 'nas:/a', '/2 x': 'nas:/b', '/3/deep': 'nas:/c'}
        assert found[self.BASE + '/2 x'].read_only

    def test_of_several_on_one_point_the_last_counts(self):
        text = self.TEXT + (
            '45 22 0:50 / /var/lib/cinder/mnt/1 rw - nfs4 nas:/new rw\n')
        assert mountinfo.below_in(text.encode(), self.BASE)[
            self.BASE + '/1'].source == 'nas:/new'

    def test_a_folder_with_a_blank(self):
        text = '40 22 0:45 / /a\\040b/c rw - nfs h:/x rw\n'
        assert list(mountinfo.below_in(text.encode(), '/a b')) == ['/a b/c']

    def test_none(self):
        assert mountinfo.below_in(ROOT.encode(), self.BASE) == {}

    def test_of_this_process(self):
        found = mountinfo.below('')
        assert all(mountinfo.find(point) == mount
                   for point, mount in found.items())
        assert '/proc' in found

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

"""Where tables come from, and when they are read again."""

import os

import pytest

from remotefs_drivers import errors
from remotefs_drivers.share import sources
from remotefs_drivers.share import table


@pytest.fixture
def path(tmp_path):
    return tmp_path / 'nfs_shares'


@pytest.fixture
def source(path):
    return sources.SharesFile(str(path), 'nfs_shares_config')


def test_a_file_is_read(path, source):
    path.write_text('nas:/a\nnas:/b -o ro\n')
    assert list(source.read().values()) == [
        table.Share('nas:/a'), table.Share('nas:/b', '-o ro')]


def test_it_is_read_again_only_after_a_change(path, source):
    path.write_text('nas:/a\n')
    first = source.read()
    assert source.read() is first
    path.write_text('nas:/a\nnas:/b\n')
    assert list(source.read()) == ['nas:/a', 'nas:/b']
    # The old table is as it was, for who still holds it.
    assert list(first) == ['nas:/a']


@pytest.mark.parametrize('change', ['renamed over', 'written in place'])
def test_a_change_of_the_same_length_is_seen(path, source, change):
    path.write_text('nas:/a\n')
    before = os.stat(path)
    source.read()
    if change == 'renamed over':
        other = path.with_name('other')
        other.write_text('nas:/b\n')
        os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
        other.rename(path)
    else:
        path.write_text('nas:/b\n')
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert list(source.read()) == ['nas:/b']


def test_bad_lines_are_reported_once(path, source, caplog):
    path.write_text('nas:/a\nnonsense\n')
    assert list(source.read()) == ['nas:/a']
    source.read()
    said = [record.getMessage() for record in caplog.records]
    assert said == ['%s, line 2: "nonsense" is not of the form '
                    'address:/export [-o options]' % path]


# As root a file without read permission can be read, so that is no case.
@pytest.mark.parametrize('spoil, reason', [
    (lambda path: None, 'No such file'),
    (lambda path: path.mkdir(), 'Is a directory'),
    (lambda path: path.symlink_to(path), 'symbolic links'),
    (lambda path: path.write_bytes(b'nas:/\xff\n'), "can't decode"),
], ids=['missing', 'directory', 'loop', 'not UTF-8'])
def test_a_file_that_cannot_be_read(path, source, spoil, reason):
    spoil(path)
    with pytest.raises(errors.SharesConfigUnreadable, match=reason) as info:
        source.read()
    assert str(path) in str(info.value)
    assert 'nfs_shares_config' in str(info.value)


def test_after_a_failure_it_is_read_again(path, source):
    path.write_text('nas:/a\n')
    source.read()
    path.write_bytes(b'\xff\n')
    for _ in range(2):
        with pytest.raises(errors.SharesConfigUnreadable):
            source.read()
    path.write_text('nas:/b\n')
    assert list(source.read()) == ['nas:/b']


def test_an_empty_file_is_an_empty_table(path, source):
    path.write_text('# none yet\n')
    assert len(source.read()) == 0


def test_fixed_shares_do_not_change():
    shares = [table.Share('nas:/a')]
    source = sources.Fixed('nas_host', iter(shares))
    assert source.read() is source.read()
    assert list(source.read().values()) == shares


@pytest.mark.parametrize('source', [
    sources.SharesFile('/etc/x', 'nfs_shares_config'),
    sources.Fixed('posix_directories', []),
])
def test_a_source_has_a_name_for_the_operator(source):
    assert source.name in ('the shares file /etc/x', 'posix_directories')

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

"""What may lie on a share where a volume should be."""

import os
import stat

TEXT = b'somebody else wrote this'


def file(path, data=TEXT):
    with open(path, 'wb') as stream:
        stream.write(data)


def link(path):
    file(path + '.target')
    os.symlink(path + '.target', path)


def dangling_link(path):
    os.symlink(path + '.nowhere', path)


def directory(path):
    os.mkdir(path)


def fifo(path):
    """Who opens it for reading waits for a writer, and for ever."""
    os.mkfifo(path)


ALL = [file, link, dangling_link, directory, fifo]


def read(path):
    with open(path, 'rb') as stream:
        return stream.read()


def describe(path):
    """All that would change if somebody had touched it."""
    status = os.lstat(path)
    target = read(path + '.target') if os.path.exists(
        path + '.target') else None
    return (status.st_ino, status.st_mode, status.st_size,
            status.st_mtime_ns, target,
            read(path) if stat.S_ISREG(status.st_mode) else None)


def watch_flushes(monkeypatch):
    """The names of files and folders, in the order they are flushed."""
    flushed = []
    real = os.fsync

    def fsync(descriptor):
        real(descriptor)
        flushed.append(os.path.basename(
            os.readlink('/proc/self/fd/%d' % descriptor)))
    monkeypatch.setattr(os, 'fsync', fsync)
    return flushed

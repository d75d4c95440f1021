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

"""The protocol of FUSE, by the kernel's header linux/fuse.h.

A library would do as well, if one for Python passed on what volumes need:
holes (lseek), fallocate, copy_file_range, locks, the inode numbers beneath.
"""

import collections
import errno
import logging
import os
import select
import stat
import struct
import threading

LOG = logging.getLogger(__name__)

#: The version that we speak. The kernel speaks all older ones as well.
_MAJOR, _MINOR = 7, 31
#: Bytes of data in one request, and in pages.
MOST = 1 << 20
_PAGES = MOST >> 12

#: What we can, of the flags of INIT.
_ASYNC_READ = 1 << 0
_POSIX_LOCKS = 1 << 1
_BIG_WRITES = 1 << 5
_FLOCK_LOCKS = 1 << 10
_PARALLEL_DIROPS = 1 << 18
_MAX_PAGES = 1 << 22
_CAN = (_ASYNC_READ | _POSIX_LOCKS | _BIG_WRITES | _FLOCK_LOCKS |
        _PARALLEL_DIROPS | _MAX_PAGES)

#: Answer to open: data are in no cache of the kernel's.
DIRECT_IO = 1 << 0

OPCODES = {
    1: 'lookup', 2: 'forget', 3: 'getattr', 4: 'setattr', 5: 'readlink',
    6: 'symlink', 8: 'mknod', 9: 'mkdir', 10: 'unlink', 11: 'rmdir',
    12: 'rename', 13: 'link', 14: 'open', 15: 'read', 16: 'write',
    17: 'statfs', 18: 'release', 20: 'fsync', 21: 'setxattr',
    22: 'getxattr', 23: 'listxattr', 24: 'removexattr', 25: 'flush',
    26: 'init', 27: 'opendir', 28: 'readdir', 29: 'releasedir',
    30: 'fsyncdir', 31: 'getlk', 32: 'setlk', 33: 'setlkw', 35: 'create',
    36: 'interrupt', 38: 'destroy', 42: 'batch_forget', 43: 'fallocate',
    45: 'rename2', 46: 'lseek', 47: 'copy_file_range'}
#: What is still done where the file system is gone: giving back.
_LAST = {'init', 'forget', 'batch_forget', 'release', 'releasedir', 'flush',
         'interrupt', 'destroy'}
#: Nobody waits for an answer to these.
_UNANSWERED = {'forget', 'batch_forget', 'interrupt', 'destroy'}

#: A request that is answered later, by Connection.answer.
LATER = object()

#: A request: whose it is, and its arguments, a memoryview that is only good
#: until the next one.
Request = collections.namedtuple(
    'Request', 'unique nodeid uid gid pid data')

_IN = struct.Struct('=IIQQIIIHH')
_OUT = struct.Struct('=IiQ')
_INIT = struct.Struct('=IIII')
_INIT_OUT = struct.Struct('=IIIIHHIIHHI28x')
_ATTRIBUTES = struct.Struct('=QQQQQQIIIIIIIIII')
_ENTRY = struct.Struct('=QQQQII')
_VALID = struct.Struct('=QII')
_STATFS = struct.Struct('=QQQQQIII28x')
_ENTRY_OF_FOLDER = struct.Struct('=QQII')

SETATTR = struct.Struct('=IIQQQQQQIIIIIIII')
OPEN = struct.Struct('=II')
OPENED = struct.Struct('=QII')
CREATE = struct.Struct('=IIII')
READ = struct.Struct('=QQIIQII')
WRITE = struct.Struct('=QQIIQII')
WRITTEN = struct.Struct('=II')
RELEASE = struct.Struct('=QIIQ')
FLUSH = struct.Struct('=QIIQ')
FSYNC = struct.Struct('=QII')
XATTR = struct.Struct('=II')
MKNOD = struct.Struct('=IIII')
MKDIR = struct.Struct('=II')
RENAME2 = struct.Struct('=QII')
FALLOCATE = struct.Struct('=QQQII')
LSEEK = struct.Struct('=QQII')
COPY = struct.Struct('=QQQQQQQ')
LOCK = struct.Struct('=QQQQIIII')
LOCKED = struct.Struct('=QQII')
FORGET = struct.Struct('=QQ')
U64 = struct.Struct('=Q')


def attributes(status, links):
    """:param status: os.stat_result
    :param links: how many names it has
    """
    return _ATTRIBUTES.pack(
        status.st_ino, status.st_size, status.st_blocks,
        *(part for parts in zip(*_times(status)) for part in parts),
        status.st_mode, links, status.st_uid, status.st_gid,
        status.st_rdev & 0xffffffff, status.st_blksize, 0)


def _times(status):
    # All seconds, then all nanoseconds.
    return [divmod(at, 10 ** 9) for at in (
        status.st_atime_ns, status.st_mtime_ns, status.st_ctime_ns)]


def attributes_out(status, links):
    """Good for no time at all: other hosts change it."""
    return _VALID.pack(0, 0, 0) + attributes(status, links)


def entry_out(nodeid, status, links):
    return _ENTRY.pack(nodeid, 0, 0, 0, 0, 0) + attributes(status, links)


def statfs_out(found):
    """:param found: os.statvfs_result"""
    return _STATFS.pack(found.f_blocks, found.f_bfree, found.f_bavail,
                        found.f_files, found.f_ffree, found.f_bsize,
                        found.f_namemax, found.f_frsize)


def folder_entry(ino, offset, mode, name):
    """:param offset: of the entry after this one"""
    head = _ENTRY_OF_FOLDER.pack(ino, offset, len(name),
                                 stat.S_IFMT(mode) >> 12)
    return (head + name).ljust((len(head) + len(name) + 7) & ~7, b'\0')


def words(data):
    """The names in a request, each ended by a zero byte."""
    return bytes(data).split(b'\0')


class Connection:
    """One mount. It is served by one thread, in the order of the requests.

    So what a process has closed is closed for us when it goes on.

    :param descriptor: of /dev/fuse
    :param requests: name -> function, for each of OPCODES but init; it is
                     given a Request, and returns the answer, bytes (b'' for
                     none), or LATER, or raises OSError
    :ivar is_stale: whether the daemon of GPFS is gone, so that all that is
                    asked for is refused (ESTALE)
    :ivar answers: threading.Event; not set while it does not answer
    """

    def __init__(self, descriptor, requests):
        self._descriptor = descriptor
        self._requests = requests
        os.set_blocking(descriptor, False)
        self._stop = os.eventfd(0)
        self.is_stale = False
        self.answers = threading.Event()
        self.answers.set()

    def serve(self):
        """Until it is unmounted, or to be served no more."""
        news = select.poll()
        for descriptor in self._descriptor, self._stop:
            news.register(descriptor, select.POLLIN)
        buffer = bytearray(MOST + 4096)
        view = memoryview(buffer)
        while True:
            try:
                size = os.readv(self._descriptor, [buffer])
            except BlockingIOError:
                if any(found == self._stop for found, __ in news.poll()):
                    return
            except OSError as error:
                # ENODEV: no longer mounted. ENOENT: nobody waits for it.
                if error.errno != errno.ENOENT:
                    return
            else:
                self.answers.wait()
                self._serve(view[:size])

    def stop(self):
        """Let serve return, if it has not yet."""
        self.answers.set()
        os.eventfd_write(self._stop, 1)

    def answer(self, unique, code, data=b''):
        """:param code: 0, or an error's number"""
        try:
            os.writev(self._descriptor, [
                _OUT.pack(_OUT.size + len(data), -code, unique), data])
        except OSError as error:
            # Whoever asked is gone, or all of it is unmounted.
            if error.errno not in (errno.ENOENT, errno.ENODEV):
                raise

    def close(self):
        """Who still has files open there gets errors from now on."""
        os.close(self._descriptor)
        os.close(self._stop)

    def _serve(self, view):
        __, opcode, unique, nodeid, uid, gid, pid, __, __ = (
            _IN.unpack_from(view))
        name = OPCODES.get(opcode)
        code, data = 0, b''
        try:
            if name is None:
                raise OSError(errno.ENOSYS, 'opcode %d' % opcode)
            if self.is_stale and name not in _LAST:
                raise OSError(errno.ESTALE, name)
            request = Request(unique, nodeid, uid, gid, pid, view[_IN.size:])
            if name == 'init':
                data = _init(request.data)
            else:
                data = self._requests[name](request)
        except OSError as error:
            code = error.errno or errno.EIO
        except Exception:
            LOG.exception('%s failed', name)
            code = errno.EIO
        if name not in _UNANSWERED and data is not LATER:
            self.answer(unique, code, b'' if code else data)


def _init(data):
    __, __, readahead, flags = _INIT.unpack_from(data)
    return _INIT_OUT.pack(_MAJOR, _MINOR, readahead, flags & _CAN,
                          64, 48, MOST, 1, _PAGES, 0, 0)

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

"""Functions of the C library that Python does not have."""

import ctypes
import os

# Not by the library's own functions: all of Cinder would come along.
_LIBRARY = ctypes.CDLL(None, use_errno=True)


def call(name, *arguments):
    """:raises OSError: as it says"""
    if getattr(_LIBRARY, name)(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))

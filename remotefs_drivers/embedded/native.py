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

"""What Cinder 29 still lacks to run with native threads.

``cinder.image.image_utils`` (29.0.0) goes through ``eventlet.tpool`` in this
mode too, before a driver is asked at all. What tpool has finished is told to
the event loop of the thread that used it first, so the second thread that
downloads an image waits for ever. The rest of Cinder uses
``utils.tpool_wrap``, which calls in place; here tpool itself does.
"""

from eventlet import patcher
from eventlet import tpool


def is_native():
    """Whether threads are those of the kernel in this process."""
    return not patcher.is_monkey_patched('thread')


def mend():
    """Without effect under eventlet."""
    if not is_native():
        return
    tpool.Proxy = lambda wrapped, *args, **kwargs: wrapped
    tpool.execute = lambda function, *args, **kwargs: function(*args,
                                                               **kwargs)
